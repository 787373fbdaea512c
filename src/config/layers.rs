//! One tree out of defaults, file and environment.

use std::ffi::OsString;

use toml::{Table, Value};

use super::Error;

/// What the names of environment variables begin with; the parts of a key are joined by two underscores, so
/// that keys may hold one.
const PREFIX: &str = "CAMPANILE__";

pub(super) fn parse(text: &str, from: &str) -> Result<Table, Error> {
    text.parse().map_err(|fault: toml::de::Error| Error::Syntax { from: from.to_owned(), fault: fault.to_string() })
}

/// Puts `over` onto `tree`; tables are joined, everything else is replaced.
pub(super) fn merge(tree: &mut Table, over: Table) {
    for (key, value) in over {
        match (tree.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                tree.insert(key, value);
            }
        }
    }
}

/// Puts every `CAMPANILE__SECTION__KEY` onto the tree.
pub(super) fn merge_environment(
    tree: &mut Table,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(), Error> {
    for (name, value) in variables {
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let path: Vec<String> = name.split("__").map(str::to_lowercase).collect();
        let unusable = || Error::Value(format!("the variable {PREFIX}{name} cannot be used: write SECTION__KEY"));
        let value = value.into_string().map_err(|_| unusable())?;
        let Some((key, sections)) = path.split_last().filter(|(key, sections)| {
            !sections.is_empty() && !key.is_empty() && sections.iter().all(|section| !section.is_empty())
        }) else {
            return Err(unusable());
        };
        let mut table = &mut *tree;
        for section in sections {
            let below = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            table = below.as_table_mut().ok_or_else(unusable)?;
        }
        let value = typed(value, table.get(key));
        table.insert(key.clone(), value);
    }
    Ok(())
}

/// The environment knows only text. What replaces a text is one; otherwise it is what TOML would read, and a
/// text if TOML would not read it. Quotes make it a text in any case.
fn typed(text: String, replaced: Option<&Value>) -> Value {
    if matches!(replaced, Some(Value::String(_))) {
        return Value::String(text);
    }
    match format!("value = {text}").parse::<Table>() {
        Ok(mut table) if table.len() == 1 => table.remove("value").unwrap_or(Value::String(text)),
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Table, Error> {
        let mut tree = parse("[grpc]\nlisten = \"a\"\nconnections = 5", "a test").unwrap();
        merge_environment(&mut tree, [(OsString::from(name), OsString::from(value))].into_iter())?;
        Ok(tree)
    }

    #[test]
    fn the_environment_replaces_values_and_keeps_their_kind() {
        assert_eq!(with("CAMPANILE__GRPC__CONNECTIONS", "7").unwrap()["grpc"]["connections"], Value::Integer(7));
        assert_eq!(with("CAMPANILE__GRPC__LISTEN", "7").unwrap()["grpc"]["listen"], Value::String("7".to_owned()));
        let tree = with("CAMPANILE__CHANNEL__EMAIL__DEFAULT__HOST", "relay").unwrap();
        assert_eq!(tree["channel"]["email"]["default"]["host"], Value::String("relay".to_owned()));
        assert_eq!(with("CAMPANILE_TOKEN", "x").unwrap(), with("HOME", "y").unwrap());
    }

    #[test]
    fn a_variable_without_a_section_is_refused() {
        assert!(with("CAMPANILE__GRPC", "x").is_err());
        assert!(with("CAMPANILE__GRPC____X", "x").is_err());
    }
}
