//! The page of a trend.

use msgr_reports::trend::{Trend, write_page};

use crate::made_up::{from, host, job, never, trend};
use crate::support::check_page;

fn text(trend: &Trend) -> String {
    trend.render().unwrap()
}

/// A trend on two machines, with a damaged line.
fn usual() -> Trend {
    let mut trend = trend(1, 60, never, from(30, 1.2));
    trend.entries.push(job(61, &host("another CPU"), [40_000.0, 90_000.0, 8_000.0], 0.01));
    trend.skipped.push("Line 7 is damaged.".to_string());
    trend
}

#[test]
fn the_same_trend_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = write_page(&usual(), dir.path()).unwrap();
    assert_eq!(path.file_name().unwrap(), "trend.html");
    assert_eq!(std::fs::read_to_string(path).unwrap(), text(&usual()));
    assert_eq!(text(&usual()), text(&usual()));
}

#[test]
fn the_page_loads_nothing_names_every_plot_and_has_a_table_below_each() {
    let page = text(&usual());
    // Three a cell, of one cell on each of two machines.
    check_page(&page, 6);
}

#[test]
fn machines_stand_apart_the_one_of_the_latest_job_first() {
    let page = text(&usual());
    let titles: Vec<&str> =
        page.split("<h2 id=\"machine-").skip(1).filter_map(|rest| rest.split(['>', '<']).nth(1)).collect();
    assert_eq!(titles, ["2 × another CPU, Linux 6.1.0", "2 × a CPU, Linux 6.1.0"]);
    assert!(page.contains("61 jobs on 2 machines, from 0000001 of 2026-01-01"));
    assert!(page.contains("Line 7 is damaged."));
}

#[test]
fn the_chain_multiplies_the_steps_and_breaks_where_a_commit_is_missing() {
    let machine = host("a CPU");
    let step = |number| job(number, &machine, [50_000.0; 3], 0.1);
    let whole = Trend { entries: (0..3).map(step).collect(), skipped: Vec::new() };
    assert!(text(&whole).contains("<td>+33.1 % ("), "1.1 cubed");
    // A repeated job is no second step.
    let mut repeated = whole.clone();
    repeated.entries.insert(2, job(1, &machine, [50_000.0; 3], 0.1));
    assert!(text(&repeated).contains("<td>+33.1 % (") && !text(&repeated).contains("<td>+46.4 % ("));
    let lines = |trend: &Trend| text(trend).matches("<polyline").count();
    let broken = Trend { entries: [0, 1, 3, 4].map(step).to_vec(), skipped: Vec::new() };
    let unbroken = Trend { entries: [0, 1, 2, 3].map(step).to_vec(), skipped: Vec::new() };
    // A piece more for each of three metrics, and for both edges of an interval.
    assert_eq!(lines(&broken), lines(&unbroken) + 5);
}

#[test]
fn jobs_without_figures_are_listed_and_an_empty_trend_has_a_page() {
    let mut only = job(1, &host("a CPU"), [1.0; 3], 0.0);
    only.cells.clear();
    let page = text(&Trend { entries: vec![only], skipped: Vec::new() });
    assert!(page.contains("1 job on 1 machine") && !page.contains("<figure") && page.contains("<td>Pass</td>"));
    assert!(text(&Trend::default()).contains("no job yet"));
}

#[test]
fn a_long_trend_and_a_fleet_of_machines_are_drawn_in_part_and_say_so() {
    let long = text(&trend(1, 130, never, never));
    assert!(long.contains("The latest 100 jobs of 130."));
    let fleet = (0..6).map(|number| job(number, &host(&format!("CPU {number}")), [50_000.0; 3], 0.0));
    let fleet = text(&Trend { entries: fleet.collect(), skipped: Vec::new() });
    assert_eq!(fleet.matches("<h2 id=\"machine-").count(), 4);
    assert!(fleet.contains("2 × CPU 1, Linux 6.1.0; 2 × CPU 0, Linux 6.1.0"));
}

#[test]
fn text_of_a_trend_is_never_markup() {
    let hostile = "<script>alert(\"1\")</script>&'";
    let mut entry = job(1, &host(hostile), [50_000.0; 3], 0.0);
    entry.commit = hostile.to_string();
    entry.started = hostile.to_string();
    entry.tool_version = hostile.to_string();
    entry.cells[0].cell.messenger = hostile.to_string();
    assert!(!text(&Trend { entries: vec![entry], skipped: vec![hostile.to_string()] }).contains("<script"));
}
