//! The findings of a page, out of its HTML.

/// One sentence of the page.
#[derive(Clone, Debug)]
pub(crate) struct Sentence {
    /// Identifier of its section.
    pub(crate) section: String,
    /// What it is about.
    pub(crate) topic: String,
    pub(crate) text: String,
    /// The rule that it refers to.
    pub(crate) rule: String,
}

/// Every sentence of the findings, in their order.
pub(crate) fn sentences(page: &str) -> Vec<Sentence> {
    let findings = between(page, r#"<section class="findings""#, "</section>");
    let rules: Vec<String> =
        findings.split("<li id=\"rule-").skip(1).map(|rule| text(between(rule, ">", "</li>"))).collect();
    let mut sentences = Vec::new();
    for section in findings.split("<h3>").skip(1) {
        let id = between(section, "href=\"#", "\"");
        for topic in section.split("<dt>").skip(1) {
            for sentence in topic.split("<dd>").skip(1) {
                let number: usize = between(sentence, "#rule-", "\"").parse().expect("the number of a rule");
                sentences.push(Sentence {
                    section: id.to_string(),
                    topic: text(topic.split("</dt>").next().expect("a topic ends")),
                    text: text(sentence.split(" <a ").next().expect("a sentence ends")),
                    rule: rules[number - 1].clone(),
                });
            }
        }
    }
    assert_eq!(sentences.len(), findings.matches("<dd>").count(), "a sentence stands in no section");
    sentences
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("the page lacks {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("nothing ends {from}")).0
}

/// Text of HTML without elements: entities back to what they stand for.
fn text(html: &str) -> String {
    assert!(!html.contains('<'), "an element within {html}");
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';').expect("an entity ends");
        let code: u32 = match entity {
            "amp" => u32::from('&'),
            "lt" => u32::from('<'),
            "gt" => u32::from('>'),
            "quot" => u32::from('"'),
            _ => entity.strip_prefix('#').and_then(|code| code.parse().ok()).expect("a known entity"),
        };
        text.push_str(before);
        text.push(char::from_u32(code).expect("a character"));
        rest = after;
    }
    text + rest
}
