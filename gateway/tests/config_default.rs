//! The shipped `config.toml` is complete, valid, and equal to the built-in defaults.

use gateway::config;

#[test]
fn the_shipped_file_loads_without_warnings() {
    let loaded = config::load_text("config.toml", config::default_text(), &[]).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.config.downstreams.len(), 5);
    assert_eq!(loaded.config.pages[0].parts.len(), 5);
    println!(
        "{}",
        serde_json::to_string_pretty(&loaded.effective).unwrap()
    );
}
