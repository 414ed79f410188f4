//! The form of a table: a header that names its columns, and a line for each component.

use csv::{ErrorKind, Position, ReaderBuilder};

use super::{Book, Cells};

impl<V> Book<'_, V> {
    pub(super) fn csv(&mut self, text: &str) {
        let mut reader = ReaderBuilder::new()
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(cause) => return self.fault("line 1", cause.to_string()),
        };
        let places = |name: &str| {
            let is_it = |title: &str| title.eq_ignore_ascii_case(name);
            header.iter().enumerate().filter(move |(_, t)| is_it(t)).map(|(i, _)| i).collect()
        };
        let value: Vec<usize> = places(self.column);
        let [address, symbol, decimals]: [Vec<usize>; 3] =
            [places("address"), places("symbol"), places("decimals")];
        let one = |columns: &[usize]| columns.first().copied();
        let named = !address.is_empty() || !symbol.is_empty();
        let (Some(value_at), true) = (one(&value), named) else {
            let seen = header.iter().collect::<Vec<_>>().join(", ");
            let column = self.column;
            let what = format!(
                "the header has to name `symbol` or `address`, and `{column}`; it is: {seen}"
            );
            return self.fault("line 1", what);
        };
        if [&value, &address, &symbol, &decimals].iter().any(|columns| columns.len() > 1) {
            return self.fault("line 1", "the header names a column twice".into());
        }
        for record in reader.records() {
            match record {
                Ok(record) => {
                    let at = format!("line {}", record.position().map_or(0, Position::line));
                    let cell = |at: Option<usize>| {
                        at.and_then(|at| record.get(at)).filter(|text| !text.is_empty())
                    };
                    self.enter(
                        at,
                        Cells {
                            address: cell(one(&address)),
                            symbol: cell(one(&symbol)),
                            decimals: cell(one(&decimals)),
                            value: cell(Some(value_at)).unwrap_or_default(),
                        },
                    );
                }
                Err(cause) => {
                    let line = cause.position().map_or(0, Position::line);
                    let uneven =
                        if let ErrorKind::UnequalLengths { expected_len, len, .. } = cause.kind() {
                            Some(format!("has {len} columns, the header {expected_len}"))
                        } else {
                            None
                        };
                    let what = uneven.unwrap_or_else(|| cause.to_string());
                    self.fault(&format!("line {line}"), what);
                }
            }
        }
    }
}
