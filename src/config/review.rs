//! The section `[review]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::Error;
use crate::access::review::Rules;

/// Which messages need a second person.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Messages to more people than this wait for reviewers; `None`: none do.
    #[serde(deserialize_with = "threshold")]
    pub threshold: Option<u64>,
    /// How many reviewers of the department that speaks have to agree.
    pub department_approvals: u32,
    /// How many of the institution's reviewers have to agree.
    pub campus_approvals: u32,
    /// How long they have.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub lapse: Duration,
    /// For how long what a reviewer was shown may be decided on.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub view: Duration,
}

/// The most approvals that can be asked for.
const APPROVALS_MAX: u32 = 10;

impl Review {
    /// The rules as publishing takes them.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            threshold: self.threshold,
            department_approvals: self.department_approvals,
            campus_approvals: self.campus_approvals,
            lapse: self.lapse,
            view: self.view,
        }
    }

    /// Refuses what cannot be.
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |text: String| Err(Error::Value(text));
        for (name, number) in
            [("department_approvals", self.department_approvals), ("campus_approvals", self.campus_approvals)]
        {
            if number == 0 || number > APPROVALS_MAX {
                return wrong(format!("[review] {name} must be 1 to {APPROVALS_MAX}"));
            }
        }
        if self.lapse < Duration::from_secs(60) || self.lapse > Duration::from_secs(30 * 86_400) {
            return wrong("[review] lapse must be 1 minute to 30 days".to_owned());
        }
        if self.view.is_zero() || self.view > Duration::from_secs(86_400) {
            return wrong("[review] view must be more than nothing and at most a day".to_owned());
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Threshold {
    People(u64),
    Word(String),
}

fn threshold<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let wrong = || serde::de::Error::custom("threshold is a number of people, or \"off\"");
    match Threshold::deserialize(deserializer).map_err(|_| wrong())? {
        Threshold::People(people) => Ok(Some(people)),
        Threshold::Word(word) if word == "off" => Ok(None),
        Threshold::Word(_) => Err(wrong()),
    }
}
