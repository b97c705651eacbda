//! What the program says about itself.

/// Run with `TRYCMD=overwrite` to write the answers anew.
#[test]
fn help_texts_are_as_written_down() {
    trycmd::TestCases::new()
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .default_bin_path(env!("CARGO_BIN_EXE_pgattest"))
        .case("tests/it/help/*.trycmd");
}
