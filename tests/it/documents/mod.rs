//! The documents say nothing that the project does not hold: files, tests, settings and requests in them are real.

mod audience;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use campanile::api;
use campanile::config;
use campanile::telemetry::metrics::{self, ChannelOutcome, Figures, ModeName, ProviderName};
use prost_reflect::{DescriptorPool, DynamicMessage};

/// Where paths in documents begin.
const TOPS: [&str; 8] = ["src/", "tests/", "docs/", "deploy/", "examples/", "proto/", "benches/", ".ci/"];
/// The two languages of the README.
const READMES: [&str; 2] = ["README.md", "README.zh.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document with its text.
fn documents() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for folder in ["", "docs", "deploy", "src/channel"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    for wanted in
        ["README.md", "README.zh.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/errors.md", "deploy/RUNBOOK.md"]
    {
        assert!(found.contains_key(wanted), "{wanted} is missing");
    }
    found
}

/// What stands between single backticks, outside fenced blocks.
fn quoted(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// The targets of links that point into the project.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with('#'))
}

#[test]
fn documents_name_only_files_and_tests_that_exist() {
    let mut missing = Vec::new();
    let mut checked = 0;
    for (document, text) in documents() {
        let mut miss = |what: &str| missing.push(format!("{document} names {what}, which does not exist"));
        for word in quoted(&text).into_iter().filter(|word| TOPS.iter().any(|top| word.starts_with(top))) {
            // A name in capitals stands for one that the reader chooses.
            if word.contains("NAME") || word.contains([' ', '*', '…']) {
                continue;
            }
            checked += 1;
            let (file, test) = word.split_once("::").unwrap_or((word, ""));
            match fs::read_to_string(root().join(file)) {
                Ok(source) if !test.is_empty() && !source.contains(&format!("fn {test}")) => miss(word),
                Err(_) if !test.is_empty() || !root().join(file).exists() => miss(word),
                _ => {}
            }
        }
        let folder = root().join(&document).parent().map(PathBuf::from).unwrap();
        for target in links(&text) {
            checked += 1;
            if !folder.join(target.split('#').next().unwrap()).exists() {
                miss(target);
            }
        }
    }
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
    assert!(checked > 40, "only {checked} names were found");
}

/// The text of the fenced blocks that hold `sign`.
fn blocks<'a>(text: &'a str, sign: &str) -> Vec<&'a str> {
    text.split("```").skip(1).step_by(2).filter(|block| block.contains(sign)).collect()
}

/// What a shell block writes to a file with `cat > FILE <<'END'`.
fn written<'a>(readme: &'a str, file: &str) -> &'a str {
    let begin = format!("cat > {file} <<'END'\n");
    let (_, rest) = readme.split_once(&begin).unwrap_or_else(|| panic!("no {begin:?} in the README"));
    rest.split_once("\nEND\n").unwrap().0
}

#[test]
fn sample_settings_can_be_loaded() {
    let installed = config::load(Some(&root().join("deploy/campanile.toml"))).unwrap();
    assert!(installed.log.json && installed.channel.email.len() == 1 && installed.channel.wechat.len() == 1);
    let node = config::load(Some(&root().join("deploy/kubernetes/campanile.toml"))).unwrap();
    assert!(!node.grpc.listen.ip().is_loopback() && node.log.json);
    let folder = tempfile::tempdir().unwrap();
    for readme in READMES {
        let text = fs::read_to_string(root().join(readme)).unwrap();
        let path = folder.path().join("campanile.toml");
        fs::write(&path, written(&text, "campanile.toml")).unwrap();
        let settings = config::load(Some(&path)).unwrap_or_else(|fault| panic!("{readme}: {fault}"));
        assert_eq!((settings.channel.email.len(), settings.channel.wechat.len()), (1, 1), "{readme}");
    }
}

#[test]
fn the_runbook_knows_every_metric_and_no_other() {
    let sent = ChannelOutcome { channel: "email", outcome: "sent" };
    let figures = Figures {
        verdicts_total: vec![(sent, 1)],
        providers_held: vec![(ProviderName { provider: "email.relay".into() }, 0)],
        coordination_modes: vec![(ModeName { mode: "redis" }, 1)],
        ..Figures::default()
    };
    let page = metrics::text(&figures);
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let served: BTreeSet<&str> = samples.filter_map(|line| line.split(['{', ' ']).next()).collect();
    let runbook = fs::read_to_string(root().join("deploy/RUNBOOK.md")).unwrap();
    let words = runbook.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    let named: BTreeSet<&str> = words.filter(|word| word.starts_with("campanile_")).collect();
    assert_eq!(named, served);
}

#[test]
fn the_commands_of_the_runbook_exist() {
    let runbook = fs::read_to_string(root().join("deploy/RUNBOOK.md")).unwrap();
    let lines = quoted(&runbook).into_iter().chain(blocks(&runbook, "sh").into_iter().flat_map(str::lines));
    let commands: BTreeSet<Vec<&str>> = lines
        .filter_map(|line| line.strip_prefix("campanile "))
        .map(|rest| {
            let name = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            rest.split_whitespace().take_while(name).take_while(|word| !word.starts_with('-')).collect()
        })
        .collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let mut asked = Command::new(env!("CARGO_BIN_EXE_campanile"));
        let answer = asked.args(&command).arg("--help").output().unwrap();
        let help = String::from_utf8(answer.stdout).unwrap();
        let known =
            command.iter().all(|word| help.lines().any(|line| line.starts_with("Usage:") && line.contains(word)));
        assert!(answer.status.success() && known, "campanile {command:?}: {help}");
    }
}

#[test]
fn the_grpcurl_request_is_one_that_reflection_accepts() {
    let pool = DescriptorPool::decode(api::DESCRIPTOR_SET).unwrap();
    let request = pool.get_message_by_name("campanile.v1.PublishRequest").unwrap();
    for readme in READMES {
        let text = fs::read_to_string(root().join(readme)).unwrap();
        let block = *blocks(&text, "campanile.v1.PublishService/Publish").first().unwrap_or_else(|| panic!("{readme}"));
        let json = block.split_once("-d '").unwrap().1.split_once('\'').unwrap().0;
        let mut reader = serde_json::Deserializer::from_str(json);
        let read = DynamicMessage::deserialize(request.clone(), &mut reader);
        read.unwrap_or_else(|fault| panic!("{readme}: {fault}"));
    }
}

#[test]
fn both_readmes_show_the_same_commands() {
    let commands = |readme: &str| {
        let text = fs::read_to_string(root().join(readme)).unwrap();
        blocks(&text, "").into_iter().filter(|block| block.starts_with("sh\n")).map(str::to_owned).collect::<Vec<_>>()
    };
    let [english, chinese] = READMES.map(commands);
    assert!(english.len() > 4);
    assert_eq!(english, chinese);
}
