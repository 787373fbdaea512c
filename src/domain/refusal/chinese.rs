//! Refusals in Chinese: the reason's sentence with the facts of the refusal in it. `{key}` stands for a fact; a part in
//! brackets is left out where its fact is not known.

use super::Reason;

/// The refusal in Chinese. `fact` knows its metadata and, as `field` and `message`, the path of the field at fault and
/// the English sentence.
#[must_use]
pub fn chinese(reason: Reason, fact: &dyn Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let mut rest = reason.chinese();
    while let Some((before, after)) = rest.split_once('[') {
        let (part, after) = after.split_once(']').unwrap_or((after, ""));
        text.push_str(before);
        text.push_str(&filled(part, fact).unwrap_or_default());
        rest = after;
    }
    text.push_str(rest);
    text
}

/// A part with its facts in it; `None` if one is not known.
fn filled(part: &str, fact: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(&fact(key).filter(|value| !value.is_empty())?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_stand_in_the_sentence_and_what_is_not_known_leaves_no_trace() {
        let fact = |key: &str| match key {
            "tag" => Some("grade:2012".to_owned()),
            "nearest" => Some("grade:2021".to_owned()),
            _ => None,
        };
        let text = chinese(Reason::UnknownTag, &fact);
        assert_eq!(text, "没有可用的标签“grade:2012”，最接近的是“grade:2021”。请改正。");
        assert_eq!(chinese(Reason::UnknownTag, &|_| None), "没有可用的标签。请改正。");
    }

    #[test]
    fn every_reason_has_a_sentence_in_chinese_writing() {
        for &reason in Reason::ALL {
            for known in [None, Some("X")] {
                let text = chinese(reason, &|_| known.map(str::to_owned));
                assert!(!text.contains(['[', ']', '{', '}', ',', ';', '?', '(']), "{text}");
                assert!(text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{text}");
            }
        }
    }
}
