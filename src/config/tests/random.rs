//! Whatever a file holds, loading it ends with a config or with lines, and never panics.

use proptest::prelude::*;

use super::{CHAIN, NONE, PRODUCT, load};

/// Pieces that mean something to TOML or to a key.
const PIECES: &[&str] = &[
    "=",
    "[",
    "]",
    "{",
    "}",
    "[[",
    "]]",
    "\"",
    "'",
    "'''",
    "\\",
    ".",
    ",",
    "#",
    "\n",
    " ",
    "-1",
    "0",
    "1e400",
    "nan",
    "99999999999999999999",
    "true",
    "2026-01-01",
    "\"30 gwei\"",
    "\"12s\"",
    "\u{0}",
    "ä",
    "0x",
    "rpc",
    "fees",
    "[fees]",
    "[wallet]",
    "[params]",
    "chain_id",
    "{ env = \"A\" }",
    "\"$__toml_private_datetime\"",
    "\"___figment_value_id\"",
    "\"http://\"",
    "\"0x00\"",
];

#[derive(Debug, Clone)]
struct Edit {
    at: prop::sample::Index,
    cut: usize,
    put: String,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let piece = prop_oneof![
        prop::sample::select(PIECES).prop_map(str::to_owned),
        prop::sample::select(PIECES).prop_map(str::to_owned),
        "\\PC{0,6}",
    ];
    let edit = (any::<prop::sample::Index>(), 0_usize..12, piece).prop_map(|(at, cut, put)| Edit {
        at,
        cut,
        put,
    });
    prop::collection::vec(edit, 1..5)
}

fn apply(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        let from = edit.at.index(chars.len() + 1);
        let to = (from + edit.cut).min(chars.len());
        chars.splice(from..to, edit.put.chars());
    }
    chars.into_iter().collect()
}

/// A chain file that uses every kind of value.
fn chain() -> String {
    format!(
        "{CHAIN}block_time = \"12s\"\nconfirmations = 5\nsend = [{{ url = {{ env = \"A\" }} }}]\n\
         [fees]\nmax_fee_per_gas = \"30 gwei\"\nreplacement_bump_percent = 12.5\n"
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_file_panics(chain_edits in edits(), product_edits in edits(), ballast_edits in edits()) {
        let product = format!("{PRODUCT}size = 5\nvenue = {{ fee = 1 }}\n[limits]\nmin_balance = \"1 wei\"\n");
        let chain = apply(&chain(), &chain_edits);
        let product = apply(&product, &product_edits);
        let ballast = apply("[store]\nurl = \"sqlite://a.db\"\n[http]\n", &ballast_edits);
        let loaded = load(
            &[
                ("chains/mainnet.toml", &chain),
                ("products/eth2x-fli.toml", &product),
                ("ballast.toml", &ballast),
            ],
            &NONE,
        );
        if let Err(problems) = loaded {
            prop_assert!(!problems.is_empty());
            prop_assert_eq!(problems.to_string().lines().count(), problems.len());
        }
    }

    #[test]
    fn no_variable_panics(name in "(CHAINS__MAINNET|PRODUCTS__ETH2X_FLI|STORE|HTTP|)(__[A-Z_]{0,12}){0,3}", value in "\\PC{0,12}") {
        let loaded = load(&[], &[(&format!("BALLAST__{name}"), &value)]);
        if let Err(problems) = loaded {
            prop_assert_eq!(problems.to_string().lines().count(), problems.len());
        }
    }
}
