//! Between [`Latency`] as it stands in a record and an HdrHistogram in memory.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use super::Latency;

/// Why a stored histogram could not be used.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    /// The text is not base64.
    #[error("the histogram is not base64 ({0}); the record was edited or damaged")]
    Base64(#[from] base64::DecodeError),
    /// The bytes are not an HdrHistogram V2, DEFLATE-compressed.
    #[error("the histogram is no HdrHistogram V2 ({0}); the record was edited or damaged")]
    Decode(#[from] hdrhistogram::serialization::DeserializeError),
    /// Two histograms cannot be added up.
    #[error("the histograms of two rounds cannot be merged: {0}")]
    Merge(#[from] hdrhistogram::AdditionError),
    /// The histogram could not be encoded.
    #[error("the histogram cannot be encoded: {0}")]
    Encode(#[from] hdrhistogram::serialization::V2DeflateSerializeError),
}

impl Latency {
    /// Encodes a histogram of nanoseconds, and reads the percentiles off it.
    ///
    /// # Errors
    ///
    /// [`HistogramError::Encode`] when the histogram is too large for its format.
    pub fn from_histogram(histogram: &Histogram<u64>) -> Result<Latency, HistogramError> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(histogram, &mut bytes)?;
        Ok(Latency {
            hdr: BASE64.encode(&bytes),
            count: histogram.len(),
            mean_ns: histogram.mean(),
            p50_ns: histogram.value_at_quantile(0.5),
            p90_ns: histogram.value_at_quantile(0.9),
            p99_ns: histogram.value_at_quantile(0.99),
            p999_ns: histogram.value_at_quantile(0.999),
            max_ns: histogram.max(),
        })
    }

    /// Decodes the histogram; its values are nanoseconds.
    ///
    /// # Errors
    ///
    /// When the text is not base64, or not an HdrHistogram V2 with DEFLATE.
    pub fn histogram(&self) -> Result<Histogram<u64>, HistogramError> {
        let bytes = BASE64.decode(&self.hdr)?;
        Ok(Deserializer::new().deserialize(&mut bytes.as_slice())?)
    }
}

/// Adds histograms up into one, or `None` when there are none.
///
/// Percentiles of several rounds come from here: a percentile of merged values is a percentile, an average of
/// percentiles is not.
///
/// # Errors
///
/// [`HistogramError::Merge`] when a value of one lies outside the range that another was made for.
pub fn merge<'a>(
    histograms: impl IntoIterator<Item = &'a Histogram<u64>>,
) -> Result<Option<Histogram<u64>>, HistogramError> {
    let mut histograms = histograms.into_iter();
    let Some(first) = histograms.next() else {
        return Ok(None);
    };
    let mut merged = first.clone();
    // Rounds may have been recorded with different upper bounds.
    merged.auto(true);
    for histogram in histograms {
        merged.add(histogram)?;
    }
    Ok(Some(merged))
}
