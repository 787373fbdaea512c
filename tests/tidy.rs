//! The law of the house: layers, fences, sizes. Each failure says what to do.
//!
//! The lists of exemptions may only get shorter: an exemption that is not needed any more fails too.

#![expect(clippy::expect_used, reason = "what must hold here stops the run with its own sentence")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who stands on which floor. A module imports from lower floors only, and from the `also` list.
const FLOORS: &[(&str, u8, &[&str])] = &[
    ("domain", 0, &[]),
    ("runtime", 1, &[]),
    // Health is served by a task, and only runtime spawns.
    ("telemetry", 1, &["runtime"]),
    ("store", 2, &[]),
    ("coordination", 2, &[]),
    ("channel", 2, &[]),
    ("template", 2, &[]),
    ("audience", 3, &[]),
    ("access", 3, &["audience"]),
    ("directory", 4, &[]),
    ("publish", 4, &["delivery"]),
    ("delivery", 4, &[]),
    ("inbox", 4, &[]),
    ("operations", 4, &[]),
    ("report", 4, &[]),
    ("api", 5, &[]),
    ("edge", 5, &[]),
    ("console", 5, &[]),
    ("standin", 5, &[]),
    ("config", 6, &["app", "cli"]),
    ("app", 6, &["config", "cli"]),
    ("cli", 6, &["config", "app"]),
    ("main", 6, &["config", "app", "cli"]),
];

/// Modules that the fifth floor never touches: it speaks to use-cases.
const NOT_FOR_EDGES: &[&str] = &["store", "channel", "coordination"];

/// An outside name and where it may stand.
const FENCES: &[(&str, &[&str], &str)] = &[
    ("rusqlite", &["src/store/sqlite/"], "speak to the traits in src/store"),
    ("tokio_postgres", &["src/store/postgres/"], "speak to the traits in src/store"),
    ("deadpool_postgres", &["src/store/postgres/"], "speak to the traits in src/store"),
    ("redis::", &["src/coordination/redis/"], "speak to the traits in src/coordination"),
    ("tonic::", &["src/api/", "src/edge/", "src/cli/"], "return a domain::refusal::Refusal and let src/api map it"),
    ("axum::", &["src/edge/", "src/console/", "src/standin/", "src/telemetry/health.rs"], "serve HTTP from an edge"),
    ("lettre::", &["src/channel/"], "call providers through the Channel trait"),
    ("std::env", &["src/config/", "src/cli/"], "take it from the settings"),
    ("SystemTime::now", &["src/runtime/"], "take a runtime::clock::SharedClock"),
    ("Instant::now", &["src/runtime/"], "take a runtime::clock::SharedClock"),
    ("tokio::spawn", &["src/runtime/"], "spawn through runtime::tasks::Tasks, which is waited for at shutdown"),
    ("unbounded_channel", &[], "use a bounded channel"),
];

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 60;
const TRAIT_METHODS_MAX: usize = 15;
const INLINE_TEST_LINES_MAX: usize = 100;

/// Tests of the store that hold for one backend alone.
const ONE_BACKEND: &[&str] = &["tests/it/store/clustered.rs", "tests/it/store/embedded.rs"];

/// `path: rule` that is not kept yet. Only ever remove lines here.
const EXEMPT: &[&str] = &[];

impl Source {
    /// Tests beside the code may do what the code may not.
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("tests.rs")
    }
}

struct Source {
    path: String,
    lines: Vec<String>,
}

impl Source {
    /// The lines before the inline test module.
    fn code(&self) -> &[String] {
        let inline = |pair: &[String]| pair[0].trim() == "#[cfg(test)]" && pair[1].trim_end().ends_with('{');
        let end = self.lines.windows(2).position(inline).unwrap_or(self.lines.len());
        &self.lines[..end]
    }
}

#[test]
fn the_house_is_tidy() {
    let sources = sources(Path::new("src"));
    assert!(sources.len() > 20, "tidy must find the sources");
    let mut faults = Vec::new();
    for source in &sources {
        if !source.is_test() {
            layers(source, &mut faults);
            fences(source, &mut faults);
        }
        sizes(source, &mut faults);
        manners(source, &mut faults);
    }
    let unneeded: Vec<_> =
        EXEMPT.iter().filter(|exempt| !faults.iter().any(|fault: &Fault| fault.key() == **exempt)).collect();
    assert!(unneeded.is_empty(), "remove from EXEMPT, it is not needed any more: {unneeded:#?}");
    let open: Vec<_> = faults.iter().filter(|fault| !EXEMPT.contains(&fault.key().as_str())).map(Fault::text).collect();
    assert!(open.is_empty(), "\n{}\n", open.join("\n"));
}

#[test]
fn every_method_of_the_store_has_a_case() {
    let (traits, mut cases) = (sources(Path::new("src/store")), sources(Path::new("tests/it/store")));
    cases.retain(|source| !ONE_BACKEND.contains(&source.path.as_str()));
    let (methods, faults) = untried(&traits, &cases);
    assert!(methods > 50, "tidy must find the traits of the store");
    let faults: Vec<_> = faults.iter().map(Fault::text).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

struct Fault {
    path: String,
    line: usize,
    rule: &'static str,
    advice: String,
}

impl Fault {
    fn key(&self) -> String {
        format!("{}: {}", self.path, self.rule)
    }

    fn text(&self) -> String {
        format!("{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

fn layers(source: &Source, faults: &mut Vec<Fault>) {
    let module = module_of(&source.path);
    if module == "lib" {
        return;
    }
    let Some((_, floor, also)) = FLOORS.iter().find(|(name, ..)| *name == module) else {
        faults.push(fault(source, 1, "layer", format!("module {module} has no floor; give it one in tests/tidy.rs")));
        return;
    };
    for (number, line) in source.code().iter().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for found in names_after(line, "crate::").into_iter().chain(names_after(line, "campanile::")) {
            if found == module {
                continue;
            }
            let Some((_, other, _)) = FLOORS.iter().find(|(name, ..)| *name == found) else { continue };
            let edge = *floor == 5 && NOT_FOR_EDGES.contains(&found.as_str());
            if (other >= floor && !also.contains(&found.as_str())) || edge {
                let advice =
                    format!("{module} (floor {floor}) may not use {found} (floor {other}); see ARCHITECTURE.md");
                faults.push(fault(source, number + 1, "layer", advice));
            }
        }
    }
}

fn fences(source: &Source, faults: &mut Vec<Fault>) {
    for (number, line) in source.code().iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (name, places, advice) in FENCES {
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            if !allowed && mentions(code, name) {
                faults.push(fault(source, number + 1, "fence", format!("{name} may not stand here: {advice}")));
            }
        }
    }
}

fn sizes(source: &Source, faults: &mut Vec<Fault>) {
    let (code, all) = (source.code().len(), source.lines.len());
    if code > FILE_LINES_MAX {
        let advice =
            format!("{code} lines; split it by what a sentence about it would name (at most {FILE_LINES_MAX})");
        faults.push(fault(source, 1, "file size", advice));
    }
    if all - code > INLINE_TEST_LINES_MAX {
        let advice = format!("{} lines of tests; move them to a tests.rs beside it", all - code);
        faults.push(fault(source, code + 1, "test size", advice));
    }
    for (name, start, end) in blocks(source.code(), "fn ") {
        if end - start + 1 > FUNCTION_LINES_MAX {
            let advice = format!("fn {name} has {} lines (at most {FUNCTION_LINES_MAX})", end - start + 1);
            faults.push(fault(source, start + 1, "function size", advice));
        }
    }
    for (name, start, end) in blocks(source.code(), "trait ") {
        let body = &source.code()[start..=end];
        let methods =
            body.iter().filter(|line| line.trim_start().starts_with("fn ") || line.contains("async fn ")).count();
        if methods > TRAIT_METHODS_MAX {
            let advice = format!("trait {name} has {methods} methods (at most {TRAIT_METHODS_MAX})");
            faults.push(fault(source, start + 1, "trait size", advice));
        }
    }
}

fn manners(source: &Source, faults: &mut Vec<Fault>) {
    if !source.lines.first().is_some_and(|line| line.starts_with("//!")) {
        faults.push(fault(source, 1, "header", "begin with //! and say what this is".into()));
    }
    for drawer in ["util", "utils", "common", "helpers", "misc", "types"] {
        if source.path.split(['/', '.']).any(|part| part == drawer) {
            faults.push(fault(source, 1, "drawer", format!("{drawer} has no subject; name what is in it")));
        }
    }
    for (number, line) in source.lines.iter().enumerate() {
        for mark in ["TODO", "FIXME", "todo!(", "unimplemented!(", "#[ignore", "XXX"] {
            if line.contains(mark) {
                faults.push(fault(source, number + 1, "left open", format!("{mark}: finish it or take it out")));
            }
        }
    }
}

/// How many methods the traits of a store have, and those that no case calls through the field of `Store`.
fn untried(traits: &[Source], cases: &[Source]) -> (usize, Vec<Fault>) {
    let dense = |line: &String| line.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let calls: String = cases.iter().flat_map(|source| &source.lines).map(dense).collect();
    let lines = || traits.iter().flat_map(|source| &source.lines);
    let (mut methods, mut faults) = (0, Vec::new());
    for source in traits {
        for (name, start, end) in blocks(&source.lines, "trait ") {
            let holds = |line: &String| line.trim().ends_with(&format!(": Arc<dyn {name}>,"));
            let Some(field) = lines().find(|line| holds(line)).and_then(|line| names_after(line, "pub ").pop()) else {
                faults.push(fault(source, start + 1, "no case", format!("give trait {name} a field in Store")));
                continue;
            };
            for (number, line) in source.lines.iter().enumerate().take(end).skip(start + 1) {
                let Some(method) = line.trim_start().strip_prefix("async fn ").map(identifier) else { continue };
                methods += 1;
                if !calls.contains(&format!("{field}.{method}(")) {
                    let advice = format!("write a case in tests/it/store that calls {field}.{method}");
                    faults.push(fault(source, number + 1, "no case", advice));
                }
            }
        }
    }
    (methods, faults)
}

fn fault(source: &Source, line: usize, rule: &'static str, advice: String) -> Fault {
    Fault { path: source.path.clone(), line, rule, advice }
}

fn module_of(path: &str) -> String {
    let inner = path.trim_start_matches("src/");
    inner.split(['/', '.']).next().unwrap_or_default().to_owned()
}

/// The identifiers that follow `prefix` in a line; of a brace group all of them.
fn names_after(line: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &line[at + prefix.len()..];
        let list = rest.strip_prefix('{').and_then(|inner| inner.split('}').next());
        match list {
            Some(inner) => names.extend(inner.split(',').map(|name| identifier(name.trim()))),
            None => names.push(identifier(rest)),
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn mentions(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' && name.ends_with("::"))
    })
}

/// Items that begin with a keyword, as (name, first line, last line), by their braces.
fn blocks(lines: &[String], keyword: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(at) = code.find(keyword) else { continue };
        let lead = &code[..at];
        let is_item = lead.is_empty()
            || lead.split_whitespace().all(|word| {
                ["pub", "async", "const", "extern", "unsafe"].contains(&word)
                    || word.starts_with("pub(")
                    || word.ends_with(')')
            });
        if !is_item || code.starts_with("//") {
            continue;
        }
        if let Some(end) = closing(lines, start) {
            found.push((identifier(&code[at + keyword.len()..]), start, end));
        }
    }
    found
}

/// The line of the brace that closes the first one opened at or after `start`; `None` for a bodiless item.
fn closing(lines: &[String], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut opened = false;
    for (number, line) in lines.iter().enumerate().skip(start) {
        for c in braces(line) {
            match c {
                '{' => {
                    depth += 1;
                    opened = true;
                }
                '}' => depth = depth.saturating_sub(1),
                _ if !opened && depth == 0 => return None,
                _ => {}
            }
            if opened && depth == 0 {
                return Some(number);
            }
        }
    }
    None
}

/// The braces of a line, and `;` where it ends; nothing of strings, characters and comments.
fn braces(line: &str) -> Vec<char> {
    let mut found = Vec::new();
    let mut chars = line.chars().peekable();
    let (mut text, mut before) = (false, ' ');
    while let Some(c) = chars.next() {
        match c {
            '\\' if text => {
                chars.next();
            }
            '"' => text = !text,
            '\'' if !text && (chars.peek() == Some(&'{') || chars.peek() == Some(&'}')) => {
                chars.next();
            }
            '/' if !text && before == '/' => break,
            '{' | '}' if !text => found.push(c),
            _ => {}
        }
        before = c;
    }
    if line.trim_end().ends_with(';') {
        found.push(';');
    }
    found
}

fn sources(root: &Path) -> Vec<Source> {
    let mut files = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("readable folder") {
            let path = entry.expect("readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let shown = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("inside").display().to_string();
                let text = fs::read_to_string(&path).expect("readable source");
                files.insert(shown.clone(), Source { path: shown, lines: text.lines().map(str::to_owned).collect() });
            }
        }
    }
    files.into_values().collect()
}

#[test]
fn tidy_notices_what_it_forbids() {
    let planted =
        |path: &str, text: &str| Source { path: path.into(), lines: text.lines().map(str::to_owned).collect() };
    let rules = |source: &Source| {
        let mut faults = Vec::new();
        layers(source, &mut faults);
        fences(source, &mut faults);
        sizes(source, &mut faults);
        manners(source, &mut faults);
        faults.iter().map(|fault| fault.rule).collect::<Vec<_>>()
    };
    let long = format!("//! x\nfn long() {{\n{}}}\n", "    call();\n".repeat(70));
    assert_eq!(rules(&planted("src/domain/x.rs", "//! x\nuse crate::store::Store;\n")), ["layer"]);
    assert_eq!(rules(&planted("src/api/x.rs", "//! x\nuse crate::{channel::Call, report};\n")), ["layer"]);
    assert_eq!(rules(&planted("src/report/x.rs", "//! x\nuse rusqlite::Connection;\n")), ["fence"]);
    assert_eq!(rules(&planted("src/report/x.rs", "//! x\nfn now() { std::time::Instant::now(); }\n")), ["fence"]);
    assert_eq!(rules(&planted("src/report/x.rs", &long)), ["function size"]);
    assert_eq!(rules(&planted("src/report/util.rs", "fn x() {}\n")), ["header", "drawer"]);
    assert_eq!(rules(&planted("src/report/x.rs", "//! x\n// TODO later\n")), ["left open"]);
    assert_eq!(rules(&planted("src/report/x.rs", "//! x\nuse crate::store::Store;\n")), Vec::<&str>::new());
}

#[test]
fn tidy_notices_a_method_without_a_case() {
    let planted = |text: &str| Source { path: "x.rs".into(), lines: text.lines().map(str::to_owned).collect() };
    let kept = "pub struct Store {\n    pub things: Arc<dyn Things>,\n}\n";
    let things = "pub trait Things {\n    async fn one(&self);\n    async fn two(&self);\n}\n";
    let found = |text: &str, cases: &str| {
        let (methods, faults) = untried(&[planted(text)], &[planted(cases)]);
        (methods, faults.iter().map(|fault| fault.line).collect::<Vec<_>>())
    };
    let both = "store.things.one();\nstore\n    .things\n    .two();\n";
    assert_eq!(found(&format!("{kept}{things}"), both), (2, vec![]));
    assert_eq!(found(&format!("{kept}{things}"), "store.things.one();\n"), (2, vec![6]));
    assert_eq!(found(things, both), (0, vec![1]));
}
