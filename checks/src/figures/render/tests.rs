use super::page;
use crate::figures::Figures;
use serde_json::json;

fn figures() -> Figures {
    Figures::of(json!({
        "models": {"models": {"a": {"auc": 0.7081, "ms": 238}, "b": {"auc": 0.7}}},
        "build": {"minutes": 4},
        "tables": {
            "tables": {
                "all": {"layout": "rows", "models": ["a", "b"], "fields": [["model", "`{name}`"], ["AUC", "{auc:.3}"], ["ms", "{ms}"]]},
                "cost": {"layout": "columns", "models": ["a", "b"], "fields": [["AUC", "{auc:.2}"], ["MB", "{mb}"], ["time", "{s} s", "{ms} ms"]]},
                "card": {"layout": "card", "models": [], "fields": [["ms", "{ms}"]]},
            },
            "texts": {"first": ["It takes {build.minutes} minutes.", "", "And {models.models.a.ms} ms."], "wrong": ["{build.hours}"]},
        },
    }))
}

fn rendered(text: &str) -> String {
    page("page.md", text, &figures()).unwrap().0
}

fn refused(text: &str) -> String {
    page("page.md", text, &figures()).unwrap_err().to_string()
}

#[test]
fn rows_are_models_and_a_missing_figure_is_a_dash() {
    let wanted = "x\n<!-- figures:all -->\n| model | AUC | ms |\n|---|---|---|\n| `a` | 0.708 | 238 |\n| `b` | 0.700 | – |\n<!-- /figures -->\ny\n";
    assert_eq!(rendered("x\n<!-- figures:all -->\nold\n<!-- /figures -->\ny\n"), wanted);
    assert_eq!(rendered(wanted), wanted, "rendering twice changes nothing");
}

#[test]
fn a_marker_may_name_its_models() {
    assert_eq!(
        rendered("<!-- figures:all b -->\n<!-- /figures -->"),
        "<!-- figures:all b -->\n| model | AUC | ms |\n|---|---|---|\n| `b` | 0.700 | – |\n<!-- /figures -->"
    );
}

#[test]
fn columns_leave_out_fields_that_no_model_has() {
    assert_eq!(
        rendered("<!-- figures:cost -->\n<!-- /figures -->\n"),
        "<!-- figures:cost -->\n| | `a` | `b` |\n|---|---|---|\n| AUC | 0.71 | 0.70 |\n| time | 238 ms | – |\n<!-- /figures -->\n"
    );
}

#[test]
fn a_card_has_two_columns() {
    assert_eq!(
        rendered("<!-- figures:card a -->\n<!-- /figures -->\n"),
        "<!-- figures:card a -->\n| | |\n|---|---|\n| ms | 238 |\n<!-- /figures -->\n"
    );
}

#[test]
fn a_text_names_files() {
    assert_eq!(
        rendered("<!-- figures:first -->\n<!-- /figures -->\n"),
        "<!-- figures:first -->\nIt takes 4 minutes.\n\nAnd 238 ms.\n<!-- /figures -->\n"
    );
}

#[test]
fn what_cannot_be_filled_is_refused_with_its_line() {
    let missing = "page.md:1: docs/results: there is no figure at build.hours";
    assert_eq!(refused("<!-- figures:wrong -->\n<!-- /figures -->\n"), missing);
    let unknown = "page.md:2: docs/results: there is no table at tables.tables.none";
    assert_eq!(refused("\n<!-- figures:none -->\n<!-- /figures -->\n"), unknown);
    let model = "page.md:1: docs/results: there is no model at models.models.c";
    assert_eq!(refused("<!-- figures:all c -->\n<!-- /figures -->\n"), model);
    assert_eq!(refused("<!-- figures:all -->\n"), "page.md:1: the block has no <!-- /figures -->");
    assert_eq!(refused("<!-- figures:all -->\n<!-- figures:all -->\n"), "page.md:1: the block has no <!-- /figures -->");
    assert_eq!(refused("<!-- /figures -->\n"), "page.md:1: there is no <!-- figures:… --> before <!-- /figures -->");
}
