//! The languages in which the service speaks to callers.

/// A language of sentences for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// The language that an `accept-language` header prefers among those that are spoken; English if it names none.
    #[must_use]
    pub fn preferred(header: &str) -> Language {
        let mut best: Option<(f32, Language)> = None;
        for range in header.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            let language = match tag.trim().split(['-', '_']).next().unwrap_or("").to_ascii_lowercase().as_str() {
                "zh" => Language::Chinese,
                "en" | "*" => Language::English,
                _ => continue,
            };
            if weight > best.map_or(0.0, |(known, _)| known) {
                best = Some((weight, language));
            }
        }
        best.map_or_else(Language::default, |(_, language)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_of_the_spoken_languages_is_chosen() {
        for (header, language) in [
            ("", Language::English),
            ("zh-CN", Language::Chinese),
            ("zh_CN.UTF-8", Language::Chinese),
            ("en;q=0.5, zh;q=0.9", Language::Chinese),
            ("zh;q=0, en;q=0.1", Language::English),
            ("fr, zh-Hans;q=0.2", Language::Chinese),
            ("fr", Language::English),
            ("zh;q=x", Language::English),
        ] {
            assert_eq!(Language::preferred(header), language, "{header}");
        }
    }
}
