//! The same for a program.

use super::View;
use crate::failure::Failure;
use serde_json::{Value, json};

pub(super) fn render(view: &View) -> Result<String, Failure> {
    let rules: Vec<Value> = view
        .rules
        .iter()
        .map(|rule| {
            json!({
                "line": rule.place,
                "who": rule.who,
                "to": rule.to,
                "from": rule.from,
                "over": rule.over,
                "how": rule.how,
                "unreachable": rule.unreachable,
            })
        })
        .collect();
    let named = |(place, text): &(String, String)| json!({ "line": place, "method": text });
    let answer = view.answer.as_ref().map(|answer| {
        json!({
            "attempt": answer.attempt,
            "decides": answer.decides.as_ref().map(named),
            "may": answer.may.iter().map(named).collect::<Vec<_>>(),
        })
    });
    let errors: Vec<_> = view
        .errors
        .iter()
        .map(|(place, message)| json!({ "line": place, "message": message }))
        .collect();
    let document = json!({
        "schema": "pgattest.hba/1",
        "rules": rules,
        "errors": errors,
        "open_maps": view.open_maps,
        "answer": answer,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
