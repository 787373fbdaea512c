//! A provider's own limit: so many recipients in so long.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// The shortest span: what is shorter cannot be kept over a network.
const SPAN_MIN: Duration = Duration::from_secs(1);
/// The longest span: credit is kept in memory.
const SPAN_MAX: Duration = Duration::from_secs(86_400);

/// So many in so long. Written `600/min`, `100/s` or `2000/10s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate {
    /// How many.
    pub n: u32,
    /// In how long.
    pub per: Duration,
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Rate, &'static str> {
        const SAMPLE: &str = "a rate is so many recipients in a span of 1s to 1d, like \"600/min\" or \"2000/10s\"";
        let (n, span) = text.split_once('/').ok_or(SAMPLE)?;
        let (n, span) = (n.trim(), span.trim());
        let whole = if span.starts_with(|c: char| c.is_ascii_digit()) { span.to_owned() } else { format!("1{span}") };
        let per: jiff::SignedDuration = whole.parse().map_err(|_| SAMPLE)?;
        let per = Duration::try_from(per).map_err(|_| SAMPLE)?;
        let n = n.parse().ok().filter(|n| *n > 0).ok_or(SAMPLE)?;
        if (SPAN_MIN..=SPAN_MAX).contains(&per) { Ok(Rate { n, per }) } else { Err(SAMPLE) }
    }
}

impl TryFrom<String> for Rate {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Rate, &'static str> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_names_how_many_and_in_how_long() {
        let rate = |n, s| Ok(Rate { n, per: Duration::from_secs(s) });
        assert_eq!("600/min".parse(), rate(600, 60));
        assert_eq!("100/s".parse(), rate(100, 1));
        assert_eq!("2000 / 10s".parse(), rate(2_000, 10));
        assert_eq!("30/1h".parse(), rate(30, 3_600));
    }

    #[test]
    fn a_rate_that_cannot_be_kept_is_refused() {
        for text in ["", "600", "0/s", "-1/s", "1/", "1/0s", "1/100ms", "1/2d", "many/s", "1/s/s"] {
            assert!(text.parse::<Rate>().unwrap_err().contains("600/min"), "{text}");
        }
    }
}
