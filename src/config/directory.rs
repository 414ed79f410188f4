//! Finding and reading the files of a configuration directory.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    file::ConfigFile,
    problems::{Problem, Problems},
    shown::shown_key,
};

/// Largest file that is read, bytes.
const LARGEST_FILE: u64 = 1024 * 1024;
/// Longest stem: names end up in labels, paths and columns.
const LONGEST_STEM: usize = 64;
/// Expected form of a file's name.
const STEM: &str = "a name of at most 64 lower-case letters and digits, in parts joined by \
                    single -, _ or ., such as eth2x-fli.toml";

/// All files, by stem. A file that could not be parsed keeps its place, so that those who name it
/// are not told that it is missing.
#[derive(Debug)]
pub(super) struct Directory {
    /// `ballast.toml`; without keys if there is none.
    pub(super) ballast: Option<ConfigFile>,
    /// `chains/*.toml`.
    pub(super) chains: BTreeMap<String, Option<ConfigFile>>,
    /// `products/*.toml`.
    pub(super) products: BTreeMap<String, Option<ConfigFile>>,
}

impl Directory {
    /// Reads everything; what cannot be read is a problem. `None` if there is no such directory.
    pub(super) fn read(dir: &Path, problems: &mut Problems) -> Option<Self> {
        if !dir.is_dir() {
            let problem = Problem::new(
                &dir.display().to_string(),
                "",
                "no such directory; expected one with chains/ and products/",
            );
            problems.push(problem);
            return None;
        }
        let chains = read_folder(dir, "chains", "chain", problems);
        let products = read_folder(dir, "products", "product", problems);
        Some(Self { ballast: read_ballast(dir, problems), chains, products })
    }
}

/// How a stem appears in the name of a variable.
pub(super) fn upper(stem: &str) -> String {
    stem.to_ascii_uppercase().replace(['-', '.'], "_")
}

fn read_ballast(dir: &Path, problems: &mut Problems) -> Option<ConfigFile> {
    const NAME: &str = "ballast.toml";
    let path = dir.join(NAME);
    let exists = path.symlink_metadata().is_ok();
    let text = if exists { read_text(NAME, &path) } else { Ok(String::new()) };
    text.and_then(|text| ConfigFile::parse(NAME, &text)).map_err(|p| problems.push(p)).ok()
}

fn read_folder(
    dir: &Path,
    folder: &str,
    what: &str,
    problems: &mut Problems,
) -> BTreeMap<String, Option<ConfigFile>> {
    let expected = format!("expected a folder with one TOML file for each {what}");
    let names = match toml_files(&dir.join(folder)) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            problems.push(Problem::new(folder, "", format!("missing; {expected}")));
            return BTreeMap::new();
        }
        Err(error) => {
            problems.push(Problem::new(folder, "", format!("cannot be read: {error}; {expected}")));
            return BTreeMap::new();
        }
    };
    if names.is_empty() {
        problems.push(Problem::new(folder, "", format!("nothing in it; {expected}")));
    }
    let mut files = BTreeMap::new();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for (file_name, path) in names {
        let stem = file_name.trim_end_matches(".toml");
        let name = format!("{folder}/{file_name}");
        let mut file = read_text(&name, &path)
            .and_then(|text| ConfigFile::parse(&name, &text))
            .map_err(|problem| problems.push(problem))
            .ok();
        if !is_stem(stem) {
            let message = format!("expected {STEM}");
            problems.push(Problem::new(&name, "file name", message).text(shown_key(stem)));
            file = None;
        } else if let Some(other) = owners.insert(upper(stem), name.clone()) {
            let message = format!(
                "same as {other} in the name of a variable, where both are {}; expected names \
                 that differ in more than -, _ and .",
                upper(stem)
            );
            problems.push(Problem::new(&name, "file name", message).text(shown_key(stem)));
            file = None;
        }
        files.insert(stem.to_owned(), file);
    }
    files
}

/// Names and paths of the TOML files of a folder, sorted; hidden files are none of ours.
fn toml_files(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".toml") && !name.starts_with('.') {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

fn read_text(name: &str, path: &Path) -> Result<String, Problem> {
    let failed = |why: String| {
        Problem::new(name, "", format!("cannot be read: {why}; expected a TOML file"))
    };
    if path.is_dir() {
        return Err(failed("a folder".to_owned()));
    }
    let file = fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = file.take(LARGEST_FILE.saturating_add(1)).read_to_end(&mut bytes);
    let length = read.map_err(|error| failed(error.to_string()))?;
    if u64::try_from(length).is_ok_and(|length| length > LARGEST_FILE) {
        return Err(failed("larger than 1 MiB".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        failed(format!("byte {at} is not UTF-8"))
    })
}

fn is_stem(stem: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    stem.len() <= LONGEST_STEM && stem.split(['-', '_', '.']).all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_variable_can_spell() {
        for stem in ["a", "eth2x-fli", "eth2x_fli.v2", "10"] {
            assert!(is_stem(stem), "{stem}");
        }
        for stem in ["", "-a", "a-", "a--b", "a.-b", "ETH", "a b", "ä", "a/b", &"a".repeat(65)] {
            assert!(!is_stem(stem), "{stem}");
        }
        assert_eq!(upper("eth2x-fli.v2"), "ETH2X_FLI_V2");
    }
}
