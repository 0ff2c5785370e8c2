//! Templates, expressions and conditions as playbooks use them.

use super::operators::is_same_json;
use super::*;
use crate::model::redaction::Redactor;
use crate::source::{Code, SourceMap, Span, Text};
use serde_json::Value as Json;
use serde_json::json;
use std::sync::Arc;

fn text(value: &str) -> Text {
    let mut map = SourceMap::default();
    let id = map.add("t", value);
    Text::new(value.into(), Span::new(id, 0..value.len()), value, false)
}

fn scope() -> Scope {
    let moment = Moment {
        now: "2026-11-22T06:00:00.5Z".parse().unwrap(),
        uuid: Arc::new(|| "00000000-0000-4000-8000-000000000000".into()),
    };
    Scope::new(&moment)
        .with(
            "inputs",
            json!({"days": 90, "name": "x", "list": [1, 2], "none": null, "big": 8988303000000000129i64}),
        )
        .with(
            "credentials",
            Data::Map(vec![
                ("user".into(), Data::Json(json!("ops"))),
                ("password".into(), Data::Secret("p.password".into(), json!("geheim"))),
            ]),
        )
        .with("token", Data::Secret("token".into(), json!("abc")))
}

fn evaluate(source: &str) -> Result<Evaluated, EvaluationError> {
    Template::parse(&text(source)).unwrap().evaluate(&scope())
}

#[test]
fn what_is_secret_or_not_known_is_shown_by_name() {
    let scope =
        scope().with("steps", Data::Map(vec![("id".into(), Data::Unknown("steps.a.outputs.id".into()))]));
    let evaluate = |source: &str| Template::parse(&text(source)).unwrap().evaluate(&scope).unwrap();
    for (source, shown) in [
        ("${{ inputs.name }} ${{ inputs.days }}", None),
        ("${{ credentials.password | sha1 | hex }}", Some("‹p.password›")),
        ("${{ inputs.name }}: ${{ credentials.password }}", Some("x: ‹p.password›")),
        ("${{ credentials.password ~ token }}", Some("‹p.password, token›")),
        ("${{ steps.id }}", Some("‹steps.a.outputs.id›")),
        ("no ${{ steps.id | plus(days=1) }} of ${{ token }}", Some("no ‹steps.a.outputs.id› of ‹token›")),
        ("${{ steps.id.deeper | default('x') }}", Some("‹steps.a.outputs.id›")),
        ("${{ steps }}", Some("‹steps.a.outputs.id›")),
        ("${{ {'all': [steps]} }}", Some("‹steps.a.outputs.id›")),
    ] {
        assert_eq!(evaluate(source).shown.as_deref(), shown, "{source}");
    }
    assert_eq!(evaluate("${{ steps.id }}-x").unknown, ["steps.a.outputs.id"]);
    assert!(!evaluate("${{ inputs.name if true else steps.id }}").is_unknown());
}

#[test]
fn what_is_made_of_secrets_is_learned() {
    let redactor = Redactor::default();
    let evaluated = evaluate("Basic ${{ ['a', credentials.password | sha1 | hex] }}");
    assert!(evaluated.is_err());
    let evaluated = evaluate("${{ { 'digest': credentials.password | sha1 | hex } }}").unwrap();
    let digest = evaluated.value["digest"].as_str().unwrap().to_owned();
    assert_eq!(redactor.redact(&digest), digest.as_str());
    evaluated.teach(&redactor);
    assert_eq!(redactor.redact(&digest), "‹p.password›");
}

#[test]
fn one_template_keeps_its_type_and_a_text_is_text() {
    for (source, value) in [
        ("${{ inputs.days }}", json!(90)),
        ("${{ inputs.list }}", json!([1, 2])),
        ("${{ inputs.missing }}", json!(null)),
        ("${{ inputs.missing.deeper[0].x }}", json!(null)),
        ("in ${{ inputs.days }} days", json!("in 90 days")),
        ("${{ inputs.big }}.", json!("8988303000000000129.")),
        ("$${{ x }}", json!("${{ x }}")),
        ("${{ today() }}", json!("2026-11-22")),
        ("${{ now() }}", json!("2026-11-22T06:00:00Z")),
        ("${{ uuid() | length }}", json!(36)),
        ("${{ range(1, 4) }}", json!([1, 2, 3])),
    ] {
        assert_eq!(evaluate(source).unwrap().value, value, "{source}");
    }
    for source in ["x ${{ inputs.none }}", "x ${{ inputs.list }}", "${{ inputs.name | sha1 }}"] {
        assert!(evaluate(source).is_err(), "{source}");
    }
}

fn evaluate_with(body: &str, source: &str) -> Result<Json, EvaluationError> {
    let scope = scope().with("b", serde_json::from_str::<Json>(body).unwrap());
    Template::parse(&text(&format!("${{{{ {source} }}}}"))).unwrap().evaluate(&scope).map(|it| it.value)
}

#[test]
fn numbers_are_compared_and_calculated_as_they_are_written() {
    let body = r#"{"v": 1.10, "e": 1e3, "id": 8988303000000000129, "long": 1234567890123456789012345678901234567890,
        "n": null, "t": "10", "zero": 0.00, "l": [{"v": 1.10}, {"v": 20}, {"v": 1.9}, {"v": null}, {}]}"#;
    for (source, value) in [
        ("b.v > 1000", "false"),
        ("b.v < 2 and 1 < b.v", "true"),
        ("b.v == 1.1 and b.v != 1.11 and 1.1 == b.v", "true"),
        ("1 < b.v < 1.2 <= 1.20 == 1.2", "true"),
        ("b.e == 1000 and b.e >= 1000.0", "true"),
        ("b.id + 0.5 > b.id and b.id < b.id + 1", "true"),
        ("b.long > b.id and b.long == b.long", "true"),
        ("b.v in [1.1] and 1.1 in [b.v] and 2 not in [b.v]", "true"),
        ("[b.v] == [1.1] and {'v': b.v} == {'v': 1.100}", "true"),
        ("b.n < 1 or b.n > 1 or b.n >= b.n", "false"),
        ("b.n == none and b.missing == b.n and b.v != none", "true"),
        ("true == 1 or false == 0", "false"),
        ("not b.zero", "true"),
        ("b.v is number and b.v is float and b.v is lt(2)", "true"),
        // As written where it is passed on, exact where it is calculated with.
        ("b.v", "1.10"),
        ("[b.v, 1.50]", "[1.10,1.50]"),
        ("b.v | default(0) if true else 0", "1.10"),
        ("'v' ~ b.v ~ '-' ~ 2.0", "\"v1.10-2.0\""),
        ("b.v | string | replace('.', ',')", "\"1,10\""),
        ("[b.v, b.long] | join(';')", "\"1.10;1234567890123456789012345678901234567890\""),
        ("b.v | tojson", "\"1.10\""),
        ("{'v': b.v, 't': '<'} | tojson", r#""{\"v\":1.10,\"t\":\"<\"}""#),
        ("0.1 + 0.2", "0.3"),
        ("b.v * 3 - 0.3", "3"),
        ("b.id + 1 - 0.0", "8988303000000000130"),
        ("-b.v", "-1.1"),
        ("7 // 2 + 7 % 2 + 2 ** 3", "12"),
        ("b.v / 2", "0.55"),
        ("b.l | selectattr('v', 'lt', 2) | map(attribute='v') | list", "[1.10,1.9]"),
        ("b.l | selectattr('v', 'gt', 1.10) | map(attribute='v') | list", "[20,1.9]"),
        ("b.l | sort(attribute='v') | map(attribute='v') | list", "[null,null,1.10,1.9,20]"),
        ("b.l | sort(attribute='v', reverse=true) | map(attribute='v') | first", "20"),
        ("(b.l | max(attribute='v')).v", "20"),
        ("[b.v, 1.1, 1.100, 2] | unique | list", "[1.10,2]"),
        ("[b.v, 1.1, 0.8] | sum", "3"),
        ("[b.v, 3, 2] | min", "1.10"),
        ("(b.l | groupby('v') | last).list | length", "1"),
        ("{'b': 1.10, 'a': 1.9} | dictsort(by='value')", "[[\"b\",1.10],[\"a\",1.9]]"),
        ("b.v | round + b.v | int", "2"),
        ("'a' + 'b' + 'c'", "\"abc\""),
        ("{true: 1, 1.10: 2}", "{\"true\":1,\"1.10\":2}"),
        ("'10' | int(base=16) + '1.90' | int + '2.50' | float", "19.5"),
        ("'x' | int(default=3) + 'x' | float(4)", "7"),
    ] {
        assert_eq!(evaluate_with(body, source).unwrap().to_string(), value, "{source}");
    }
    for source in [
        "b.t < 9",
        "9 > b.t",
        "[1] < [2]",
        "true < 2",
        "b.t in 10",
        "b.long + 1",
        "b.long | int",
        "'1e39' | int",
        "'12345678901234567890.7' | int",
        "'8988303000000000129' | float",
        "b.id | float",
        "b.id / 2",
        "b.id // 0.5",
        "1e39 | int",
        "b.long | round",
        "['1', 2] | sort",
        "[1, '2'] | max",
        "[{}] | sort",
        "b.n + 1",
        "- b.t",
        "1 in b.t",
    ] {
        assert!(evaluate_with(body, source).is_err(), "{source}: {:?}", evaluate_with(body, source));
    }
}

#[test]
fn texts_are_written_as_json_writes_them_and_nothing_is_no_text() {
    let body = r#"{"ok": true, "n": null, "l": [true, 1.10], "m": {"a": 1}}"#;
    for (source, value) in [
        ("'x-' ~ b.ok ~ '-' ~ false", "x-true-false"),
        ("b.ok | string", "true"),
        ("b.l | join(', ')", "true, 1.10"),
        ("b.ok | upper", "TRUE"),
        ("'a true b' | replace(true, 1.10)", "a 1.10 b"),
        ("'a,b' | split(',', 1) | join('-')", "a-b"),
        ("b.n | upper | default('-')", "-"),
        ("('a' ~ (b.n | default('-')))", "a-"),
        (r#"'\"\\\n\u00e9ü' ~ "'""#, "\"\\\néü'"),
    ] {
        assert_eq!(evaluate_with(body, source).unwrap(), json!(value), "{source}");
    }
    for source in [
        "'a' ~ b.n",
        "b.n | string",
        "[b.n] | join",
        "'a' ~ b.l",
        "b.m | string",
        "[b.m] | join",
        "'a' ~ ('a' | sha1)",
        "b.l | upper",
    ] {
        assert!(evaluate_with(body, source).is_err(), "{source}");
    }
}

#[test]
fn what_is_written_anew_means_the_same() {
    for (source, value) in [
        ("1 + 2 * 3 - 4 - 5 * 2 / 2", json!(-2)),
        ("(1 + 2) * 3", json!(9)),
        ("not 1 == 2 and (false or not false)", json!(true)),
        ("true or false and false", json!(true)),
        ("(true or false) and false", json!(false)),
        ("1 if false else 2 if false else 3", json!(3)),
        ("(1 if true else 2) + 1", json!(2)),
        ("[1, 2, 3][1:][0] + [4][-1]", json!(6)),
        ("{'a': [{'b': 2}]}.a[0]['b']", json!(2)),
        ("-2 | abs", json!(2)),
        ("(1, 2)[1] if (1,) else 0", json!(2)),
        ("5 is odd and 4 is not odd and 5 is divisibleby 5", json!(true)),
        ("('a' if none) is undefined", json!(true)),
        ("('b' ~ 'a') | upper ~ 'c'", json!("BAc")),
        ("[1.5, 2][0] | int", json!(1)),
        ("(2 < 1) == false", json!(true)),
        ("range(1, 2 + 1) | list", json!([1, 2])),
        ("range(*[1, 3]) | list", json!([1, 2])),
    ] {
        let result = evaluate(&format!("${{{{ {source} }}}}")).unwrap().value;
        assert!(is_same_json(&result, &value), "{source}: {result}");
    }
    // As deep as brackets may lie, with an operator of each level in each of them.
    let deep = "(0 if 0 == 0 + 1 * 0 ** 1 and not ".repeat(15) + "1" + &" else 1)".repeat(15);
    assert!(evaluate(&format!("${{{{ {deep} }}}}")).is_ok());
    let deep = "[0 == 1 + 1 * 1 ** (".repeat(8) + "1" + &" | abs)][0] | default(0, true) | int".repeat(8);
    assert!(evaluate(&format!("${{{{ {deep} }}}}")).is_ok());
}

#[test]
fn what_is_made_of_a_secret_is_secret() {
    for source in [
        "${{ credentials.password }}",
        "${{ credentials.password | sha1 | hex }}",
        "Basic ${{ (credentials.user ~ ':' ~ credentials.password) | b64encode }}",
        "${{ credentials | tojson }}",
        "${{ credentials['password'][0] }}",
        "${{ credentials }}",
        "${{ [credentials] }}",
        "${{ {'a': credentials} }}",
        "${{ credentials | items }}",
    ] {
        assert_eq!(evaluate(source).unwrap().secrets, ["p.password"], "{source}");
    }
    assert_eq!(evaluate("x ${{ token }}").unwrap().secrets, ["token"]);
    assert!(!evaluate("${{ credentials.user }} ${{ inputs.days }}").unwrap().is_secret());
}

#[test]
fn conditions_decide_or_say_why_not() {
    let holds = |source: &str| Condition::parse(&text(source)).unwrap().holds(&scope());
    assert!(holds("inputs.days > 30 and inputs.name == 'x'").unwrap());
    assert!(holds("${{ inputs.list }}").unwrap());
    assert!(!holds("inputs.none").unwrap());
    assert!(!holds("inputs.missing == 'x'").unwrap());
    assert!(holds("inputs.days").is_err());
    assert!(Condition::parse(&text("a ${{ b }} c")).is_err());
}

#[test]
fn references_have_places_and_know_their_guards() {
    let source = "${{ steps['a'].outputs.x[inputs.i].y | default(z) if steps.b.succeeded else f(q).r }}";
    let template = Template::parse(&text(source)).unwrap();
    let expression = template.expressions().next().unwrap();
    let shown: Vec<String> = expression
        .references()
        .iter()
        .map(|reference| {
            let last = reference.segments.last().unwrap();
            format!(
                "{} {} {} {:?}",
                reference.path(),
                &template.source()[expression.range()][last.range.clone()],
                reference.is_defaulted,
                reference.asked_steps
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "steps.b.succeeded succeeded false []",
            r#"z z false ["b"]"#,
            r#"steps.a.outputs.x x true ["b"]"#,
            r#"inputs.i i true ["b"]"#,
            "q q false []",
        ]
    );
    let calls: Vec<_> = expression.calls().iter().map(|call| call.name.as_str()).collect();
    assert_eq!(calls, ["default", "f"]);
}

#[test]
fn the_question_for_success_is_known_in_each_spelling() {
    for (source, asked) in [
        ("steps.a.succeeded", &["a"][..]),
        ("steps['a'].succeeded and steps.b['succeeded']", &["a", "b"]),
        ("steps.a.succeeded or true", &[]),
        ("not steps.a.succeeded", &[]),
        ("steps[inputs.a].succeeded", &[]),
        ("(steps | first).a.succeeded", &[]),
    ] {
        assert_eq!(Condition::parse(&text(source)).unwrap().expression().asked_steps(), asked, "{source}");
    }
}

#[test]
fn what_is_too_long_or_deep_is_refused_and_what_is_not_is_evaluated() {
    let chains: [fn(usize) -> String; 9] = [
        |n| format!("1{}", " + 1".repeat(n)),
        |n| format!("'a'{}", " ~ 'a'".repeat(n)),
        |n| format!("inputs{}", ".a".repeat(n)),
        |n| format!("1{}", " | abs".repeat(n)),
        |n| format!("{}true", "not ".repeat(n)),
        |n| format!("{}1", "- ".repeat(n)),
        |n| format!("{}1", "1 if false else ".repeat(n)),
        |n| format!("1{}", " if true".repeat(n)),
        |n| format!("1{}", " < 2".repeat(n)),
    ];
    for chain in chains {
        let result = evaluate(&format!("${{{{ {} }}}}", chain(240)));
        assert!(result.is_ok(), "{}: {result:?}", chain(2));
        let mistakes = Template::parse(&text(&format!("${{{{ {} }}}}", chain(20_000)))).unwrap_err();
        assert_eq!(mistakes[0].code, Code::InvalidValue, "{}", chain(2));
    }
    let nested = |depth: usize| format!("${{{{ {}1{} }}}}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(evaluate(&nested(16)).unwrap().value, json!(1));
    assert!(Template::parse(&text(&nested(17))).is_err());
}

#[test]
fn mistakes_are_placed() {
    let mistakes = Template::parse(&text("a ${{ 1 + }} b")).unwrap_err();
    assert_eq!(mistakes[0].code, Code::TemplateSyntax);
    assert!(mistakes[0].primary.span.start >= 5, "{mistakes:?}");
}
