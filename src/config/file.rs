//! One file, merged with the variables that override it.

use figment::{
    Figment, Metadata, Profile, Provider, Source,
    providers::{Format as _, Toml},
    value::{Dict, Map, Value},
};

use super::problems::Problem;

/// What tells the values of variables from those of files.
const FROM_ENVIRONMENT: &str = "environment";

/// A file, merged with its overrides.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// Path relative to the configuration directory.
    pub(super) name: String,
    figment: Figment,
    dict: Dict,
}

/// One value from a variable.
#[derive(Debug, Clone)]
pub(super) struct Override {
    /// The variable.
    pub(super) variable: String,
    /// Full path of the key.
    pub(super) path: String,
    /// Its value, to be parsed by the key's form.
    pub(super) text: String,
}

impl Provider for Override {
    fn metadata(&self) -> Metadata {
        let source = Source::Custom(FROM_ENVIRONMENT.to_owned());
        Metadata::named(self.variable.clone()).source(source)
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let nested = figment::util::nest(&self.path, Value::from(self.text.as_str()));
        Ok(Profile::Default.collect(nested.into_dict().unwrap_or_default()))
    }
}

impl ConfigFile {
    /// Parses a file's text; empty text is a file without keys.
    ///
    /// # Errors
    ///
    /// A problem with line and column if it is not TOML.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        let figment = Figment::from(Toml::string(text));
        let dict = merged(&figment).map_err(|error| syntax_problem(name, &error.to_string()))?;
        Ok(Self { name: name.to_owned(), figment, dict })
    }

    /// Puts a variable's value above the file's.
    pub(super) fn override_with(&mut self, with: Override) {
        let figment = std::mem::take(&mut self.figment).merge(with);
        if let Ok(dict) = merged(&figment) {
            self.dict = dict;
        }
        self.figment = figment;
    }

    /// All keys.
    pub(super) fn dict(&self) -> &Dict {
        &self.dict
    }

    /// The variable that a value came from, if it did not come from the file.
    pub(super) fn variable_of(&self, value: &Value) -> Option<&str> {
        variable_of(&self.figment, value)
    }

    /// The table at this key, with its provenance.
    pub(super) fn focus(&self, key: &str) -> Figment {
        self.figment.focus(key)
    }
}

/// See [`ConfigFile::variable_of`].
pub(super) fn variable_of<'a>(figment: &'a Figment, value: &Value) -> Option<&'a str> {
    let metadata = figment.get_metadata(value.tag())?;
    let from_environment =
        metadata.source.as_ref().and_then(Source::custom) == Some(FROM_ENVIRONMENT);
    from_environment.then_some(&*metadata.name)
}

fn merged(figment: &Figment) -> figment::Result<Dict> {
    Ok(figment.data()?.remove(&Profile::Default).unwrap_or_default())
}

/// The value at a path, `None` where any part of it is missing or no table.
pub(super) fn find<'a>(dict: &'a Dict, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => dict.get(path),
        Some((first, rest)) => find(dict.get(first)?.as_dict()?, rest),
    }
}

/// The parser's message without the line of the file that it quotes, which may hold a secret.
fn syntax_problem(name: &str, text: &str) -> Problem {
    let mut lines = text.lines();
    let place = lines.next().and_then(place);
    let message: Vec<&str> = match place {
        Some(_) => lines.filter(|line| !line.contains('|')).map(str::trim).collect(),
        None => text.lines().map(str::trim).collect(),
    };
    let said: Vec<&str> = message.into_iter().filter(|line| !line.is_empty()).collect();
    let said = said.join(", ");
    let problem = Problem::new(name, "", format!("not TOML: {said}; expected key = value"));
    match place {
        Some((line, column)) => problem.at(line, column),
        None => problem,
    }
}

/// Line and column of "TOML parse error at line 3, column 5".
fn place(first: &str) -> Option<(usize, usize)> {
    let (_, after) = first.split_once(" at line ")?;
    let (line, column) = after.split_once(", column ")?;
    Some((line.parse().ok()?, column.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_tells_the_place_and_quotes_nothing() {
        let text = "chain_id = 1\nkey = \"hunter2\" junk\n";
        let problem = ConfigFile::parse("chains/a.toml", text).unwrap_err();
        let line = problem.to_string();
        assert!(line.starts_with("chains/a.toml:2:17: not TOML: "), "{line}");
        assert!(!line.contains("hunter2") && line.lines().count() == 1, "{line}");
    }
}
