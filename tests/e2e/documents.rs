//! What ARCHITECTURE.md says of the sources, where a rename would make it untrue unseen.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The page from one heading to the next.
fn section(heading: &str) -> String {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

/// All Rust sources under a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Names of all functions of the project.
fn functions() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["src", "chains", "strategies", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        names.extend(text.split("fn ").skip(1).map(|rest| {
            let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            rest.chars().take_while(is_part).collect::<String>()
        }));
    }
    names
}

#[test]
fn the_tests_that_guard_the_invariants_exist() {
    let functions = functions();
    let section = section("Invariants");
    let quoted = section.split('`').skip(1).step_by(2);
    let is_name = |word: &&str| word.contains('_') && !word.contains(['/', '.', '*', ' ']);
    let named: Vec<&str> = quoted.filter(is_name).collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        assert!(functions.contains(name), "{name} is no function");
    }
}

#[test]
fn every_file_of_the_code_map_exists() {
    let section = section("Code map, in reading order");
    let cells = section.lines().filter_map(|line| line.split('|').nth(1));
    let named: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 20, "{named:?}");
    let mut folder = root().to_owned();
    for name in named {
        // A name without a folder stands in that of the one before.
        let path = if name.contains('/') { root().join(name) } else { folder.join(name) };
        assert!(path.exists(), "{name}");
        folder = path.parent().unwrap().to_owned();
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once("[workspace.dependencies]\n").unwrap();
    let lines = rest.lines().take_while(|line| !line.starts_with('['));
    let crates = lines.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let section = section("Why each dependency");
    let cells = section.lines().filter_map(|line| line.split('|').nth(1));
    let named: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split([',', ' ', '(', ')']).filter(|word| !word.is_empty()))
        .collect();
    let missing: Vec<&str> =
        crates.filter(|name| !name.starts_with("ballast-") && !named.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
