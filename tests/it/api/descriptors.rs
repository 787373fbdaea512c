//! The interface as its clients' compilers see it: names that every language can bear, no imports that stock compilers
//! lack, one request and one response per RPC, a comment on everything.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

const PACKAGE: &str = "campanile.v1";

/// Hard keywords of Python 3.
const PYTHON: &str = "False None True and as assert async await break class continue def del elif else except finally \
    for from global if import in is lambda nonlocal not or pass raise return try while with yield";

/// Keywords, literals and the lone underscore of Java.
const JAVA: &str = "_ abstract assert boolean break byte case catch char class const continue default do double else \
    enum extends false final finally float for goto if implements import instanceof int interface long native new null \
    package private protected public return short static strictfp super switch synchronized this throw throws \
    transient true try void volatile while";

/// Keywords of PHP 8, compile-time constants included. PHP does not tell upper from lower case in them.
const PHP: &str = "__halt_compiler abstract and array as break callable case catch class clone const continue declare \
    default die do echo else elseif empty enddeclare endfor endforeach endif endswitch endwhile eval exit extends final \
    finally fn for foreach function global goto if implements include include_once instanceof insteadof interface isset \
    list match namespace new or print private protected public readonly require require_once return static switch throw \
    trait try unset use var while xor yield __class__ __dir__ __file__ __function__ __line__ __method__ __namespace__ \
    __trait__";

/// Names that PHP keeps for its own types: no class may bear them, though a field may.
const PHP_TYPES: &str = "self parent int float bool string true false null void iterable object mixed never enum \
    resource numeric";

/// Times that bound a span. They are named after the side they bound instead of ending in `_at`.
const BOUNDS: &str = "after before until as_of all_before created_after created_before valid_after";

/// Field numbers in the descriptors themselves, as `SourceCodeInfo` spells paths.
mod path {
    pub const FILE_MESSAGE: i32 = 4;
    pub const FILE_ENUM: i32 = 5;
    pub const FILE_SERVICE: i32 = 6;
    pub const MESSAGE_FIELD: i32 = 2;
    pub const MESSAGE_NESTED: i32 = 3;
    pub const MESSAGE_ENUM: i32 = 4;
    pub const MESSAGE_ONEOF: i32 = 8;
    pub const ENUM_VALUE: i32 = 2;
    pub const SERVICE_METHOD: i32 = 2;
}

fn is_word(words: &str, name: &str) -> bool {
    words.split_whitespace().any(|word| word == name)
}

fn is_word_in_any_case(words: &str, name: &str) -> bool {
    words.split_whitespace().any(|word| word.eq_ignore_ascii_case(name))
}

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(campanile::api::DESCRIPTOR_SET)
        .unwrap_or_else(|error| panic!("the descriptor set does not decode: {error}"))
}

/// Our own files; the set also holds those of Google that they import.
fn own_files() -> Vec<FileDescriptorProto> {
    let files: Vec<_> = descriptors().file.into_iter().filter(|file| file.package() == PACKAGE).collect();
    assert!(files.len() >= 12, "files are missing: {}", files.len());
    files
}

/// Every message with its dotted name, nested ones and those made for maps included.
fn messages(files: &[FileDescriptorProto]) -> Vec<(String, &DescriptorProto)> {
    fn walk<'a>(prefix: &str, message: &'a DescriptorProto, all: &mut Vec<(String, &'a DescriptorProto)>) {
        let name = format!("{prefix}.{}", message.name());
        for nested in &message.nested_type {
            walk(&name, nested, all);
        }
        all.push((name, message));
    }
    let mut all = Vec::new();
    for message in files.iter().flat_map(|file| &file.message_type) {
        walk(PACKAGE, message, &mut all);
    }
    all
}

fn fields(files: &[FileDescriptorProto]) -> Vec<(String, &FieldDescriptorProto)> {
    let mut all = Vec::new();
    for (name, message) in messages(files) {
        for field in &message.field {
            all.push((format!("{name}.{}", field.name()), field));
        }
    }
    all
}

fn enums(files: &[FileDescriptorProto]) -> Vec<&EnumDescriptorProto> {
    let top = files.iter().flat_map(|file| &file.enum_type);
    let nested = messages(files).into_iter().flat_map(|(_, message)| &message.enum_type);
    top.chain(nested).collect()
}

/// `MessageClass` as `MESSAGE_CLASS`.
fn upper_snake(name: &str) -> String {
    let mut snake = String::new();
    for (position, letter) in name.char_indices() {
        if position > 0 && letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_uppercase());
    }
    snake
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}: {}", found.join(", "));
}

#[test]
fn no_field_is_a_keyword() {
    let files = own_files();
    let mut found = Vec::new();
    for (name, field) in fields(&files) {
        let plain = field.name();
        if is_word(PYTHON, plain) || is_word(JAVA, plain) || is_word_in_any_case(PHP, plain) {
            found.push(name);
        }
    }
    for (name, message) in messages(&files) {
        for oneof in &message.oneof_decl {
            let plain = oneof.name();
            if is_word(PYTHON, plain) || is_word(JAVA, plain) || is_word_in_any_case(PHP, plain) {
                found.push(format!("{name}.{plain}"));
            }
        }
    }
    assert_none("keywords of Python, Java or PHP cannot name fields; rename", &found);
}

#[test]
fn no_type_is_a_keyword_of_php() {
    let files = own_files();
    let message_names = messages(&files).into_iter().map(|(_, message)| message.name().to_owned());
    let enum_names = enums(&files).into_iter().map(|it| it.name().to_owned());
    let found: Vec<_> = message_names
        .chain(enum_names)
        .filter(|name| is_word_in_any_case(PHP, name) || is_word_in_any_case(PHP_TYPES, name))
        .collect();
    assert_none("PHP cannot have classes of these names; rename", &found);
}

#[test]
fn enums_carry_their_name_and_start_unspecified() {
    let files = own_files();
    let mut found = Vec::new();
    for it in enums(&files) {
        let prefix = upper_snake(it.name());
        let first = it.value.first().expect("an enum has values");
        if first.name() != format!("{prefix}_UNSPECIFIED") || first.number() != 0 {
            found.push(format!("{} starts with {}", it.name(), first.name()));
        }
        for value in &it.value {
            if !value.name().starts_with(&format!("{prefix}_")) {
                found.push(value.name().to_owned());
            }
        }
    }
    assert_none("values are named ENUM_NAME_VALUE, and the first is _UNSPECIFIED = 0", &found);
}

#[test]
fn only_well_known_types_are_imported() {
    let found: Vec<_> = own_files()
        .into_iter()
        .flat_map(|file| file.dependency)
        .filter(|import| !import.starts_with("google/protobuf/") && !import.starts_with("campanile/v1/"))
        .collect();
    assert_none("stock compilers do not carry these imports", &found);
}

#[test]
fn every_rpc_has_a_request_and_a_response_of_its_own() {
    let files = own_files();
    let mut found = Vec::new();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for service in files.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            let rpc = format!("{}.{}", service.name(), method.name());
            let wanted = [("Request", method.input_type()), ("Response", method.output_type())];
            for (suffix, actual) in wanted {
                if actual != format!(".{PACKAGE}.{}{suffix}", method.name()) {
                    found.push(format!("{rpc} uses {actual}"));
                }
                if let Some(other) = owners.insert(actual.to_owned(), rpc.clone()) {
                    found.push(format!("{actual} is used by {other} and {rpc}"));
                }
            }
        }
    }
    assert!(owners.len() > 200, "RPCs are missing: {} types", owners.len());
    assert_none("an RPC X takes XRequest and answers XResponse", &found);
}

#[test]
fn language_options_are_set() {
    for file in own_files() {
        let options = file.options.clone().unwrap_or_default();
        let name = file.name();
        assert_eq!(file.syntax(), "proto3", "{name}");
        assert!(options.java_multiple_files(), "{name}");
        assert_eq!(options.java_package(), "edu.campanile.v1", "{name}");
        assert_eq!(options.go_package(), "campanile/v1;campanilev1", "{name}");
        assert_eq!(options.csharp_namespace(), "Campanile.V1", "{name}");
        assert_eq!(options.php_namespace(), "Campanile\\V1", "{name}");
    }
}

#[test]
fn times_are_named_like_times() {
    let files = own_files();
    let mut found = Vec::new();
    for (name, field) in fields(&files) {
        let plain = field.name();
        let is_time = field.type_name() == ".google.protobuf.Timestamp";
        let named_like_one = plain == "at" || plain.ends_with("_at");
        if named_like_one && !is_time || is_time && !named_like_one && !is_word(BOUNDS, plain) {
            found.push(name);
        }
    }
    assert_none("a Timestamp ends in _at, and nothing else does; bounds of a span are listed in BOUNDS", &found);
}

#[test]
fn counts_are_signed() {
    let files = own_files();
    let unsigned = [Type::Uint32, Type::Uint64, Type::Fixed32, Type::Fixed64];
    let found: Vec<_> = fields(&files)
        .into_iter()
        .filter(|(_, field)| unsigned.contains(&field.r#type()))
        .map(|(name, _)| name)
        .collect();
    assert_none("Java and PHP have no unsigned numbers", &found);
}

#[test]
fn nothing_is_there_twice() {
    let files = own_files();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let types = messages(&files)
        .into_iter()
        .filter(|(_, message)| !message.options.as_ref().is_some_and(|it| it.map_entry()))
        .map(|(_, message)| message.name().to_owned());
    let names = types
        .chain(enums(&files).into_iter().map(|it| it.name().to_owned()))
        .chain(files.iter().flat_map(|file| &file.service).map(|it| it.name().to_owned()));
    for name in names {
        if !seen.insert(name.to_ascii_lowercase()) {
            found.push(name);
        }
    }
    for (name, message) in messages(&files) {
        let mut numbers = BTreeSet::new();
        let mut words = BTreeSet::new();
        for field in &message.field {
            if !numbers.insert(field.number()) || !words.insert(field.json_name().to_owned()) {
                found.push(format!("{name}.{}", field.name()));
            }
        }
    }
    assert_none("a name or number is used twice", &found);
}

#[test]
fn everything_has_a_comment() {
    let mut found = Vec::new();
    for file in own_files() {
        let info = file.source_code_info.clone().unwrap_or_default();
        let commented: BTreeSet<Vec<i32>> = info
            .location
            .into_iter()
            .filter(|location| !location.leading_comments().trim().is_empty())
            .map(|location| location.path)
            .collect();
        for (name, path) in described(&file) {
            if !commented.contains(&path) {
                found.push(format!("{}: {name}", file.name()));
            }
        }
    }
    assert_none("a comment states meaning, unit, range and default", &found);
}

/// Everything in a file that needs a comment, with its path.
fn described(file: &FileDescriptorProto) -> Vec<(String, Vec<i32>)> {
    let mut all = Vec::new();
    for (index, message) in numbered(&file.message_type) {
        describe_message(message, &[path::FILE_MESSAGE, index], &mut all);
    }
    for (index, it) in numbered(&file.enum_type) {
        describe_enum(it, &[path::FILE_ENUM, index], &mut all);
    }
    for (index, service) in numbered(&file.service) {
        let here = [path::FILE_SERVICE, index];
        all.push((service.name().to_owned(), here.to_vec()));
        for (index, method) in numbered(&service.method) {
            let name = format!("{}.{}", service.name(), method.name());
            all.push((name, [&here[..], &[path::SERVICE_METHOD, index]].concat()));
        }
    }
    all
}

fn describe_message(message: &DescriptorProto, here: &[i32], all: &mut Vec<(String, Vec<i32>)>) {
    if message.options.as_ref().is_some_and(|options| options.map_entry()) {
        return;
    }
    all.push((message.name().to_owned(), here.to_vec()));
    for (index, field) in numbered(&message.field) {
        let name = format!("{}.{}", message.name(), field.name());
        all.push((name, [here, &[path::MESSAGE_FIELD, index]].concat()));
    }
    for (index, oneof) in numbered(&message.oneof_decl) {
        // `optional` makes a oneof of its own that nobody wrote.
        if !oneof.name().starts_with('_') {
            let name = format!("{}.{}", message.name(), oneof.name());
            all.push((name, [here, &[path::MESSAGE_ONEOF, index]].concat()));
        }
    }
    for (index, nested) in numbered(&message.nested_type) {
        describe_message(nested, &[here, &[path::MESSAGE_NESTED, index]].concat(), all);
    }
    for (index, it) in numbered(&message.enum_type) {
        describe_enum(it, &[here, &[path::MESSAGE_ENUM, index]].concat(), all);
    }
}

fn describe_enum(it: &EnumDescriptorProto, here: &[i32], all: &mut Vec<(String, Vec<i32>)>) {
    all.push((it.name().to_owned(), here.to_vec()));
    for (index, value) in numbered(&it.value) {
        all.push((value.name().to_owned(), [here, &[path::ENUM_VALUE, index]].concat()));
    }
}

fn numbered<T>(items: &[T]) -> impl Iterator<Item = (i32, &T)> {
    (0..).zip(items)
}
