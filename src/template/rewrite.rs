//! An expression written anew with filters in the place of operators.
//!
//! minijinja has no hook for `~`, `<` or `+`. Its own would write `True` and `None`, order a number and a text by their
//! kinds, and round; the filters of [`super::operators`] do none of that.

use super::value::from_digits;
use minijinja::machinery::ast::{BinOpKind, CallArg, Compare, CompareOpKind, Expr, IfExpr, UnaryOpKind};
use minijinja::value::{Value, ValueKind};

/// The filter that joins texts: `a | _text(b, c)`.
pub(super) const TEXT: &str = "_text";
/// The filter that calculates from left to right: `a | _calculate("+", b, "-", c)`.
pub(super) const CALCULATE: &str = "_calculate";
/// The filter that compares from left to right: `a | _compare("<", b, "<=", c)`.
pub(super) const COMPARE: &str = "_compare";
/// The filter that changes the sign.
pub(super) const NEGATE: &str = "_negate";
/// The filter that keeps the digits of a number as they are written: `"1.10" | _number`.
pub(super) const NUMBER: &str = "_number";

/// The text of an expression of `code` that has filters in the place of operators.
pub(super) fn rewritten(code: &str, root: &Expr<'_>) -> String {
    Writer { code }.free(root)
}

struct Writer<'c> {
    code: &'c str,
}

impl Writer<'_> {
    /// An expression where any may stand: as an argument, in brackets, alone.
    fn free(&self, expr: &Expr<'_>) -> String {
        match expr {
            Expr::Var(name) => name.id.to_owned(),
            Expr::Const(constant) => self.constant(expr, &constant.value),
            Expr::GetAttr(attribute) => format!("{}.{}", self.tight(&attribute.expr), attribute.name),
            Expr::GetItem(item) => {
                format!("{}[{}]", self.tight(&item.expr), self.free(&item.subscript_expr))
            }
            Expr::Slice(slice) => {
                let bound = |bound: &Option<Expr<'_>>| {
                    bound.as_ref().map(|bound| self.free(bound)).unwrap_or_default()
                };
                let (start, stop, step) = (bound(&slice.start), bound(&slice.stop), bound(&slice.step));
                format!("{}[{start}:{stop}:{step}]", self.tight(&slice.expr))
            }
            Expr::UnaryOp(op) => match op.op {
                UnaryOpKind::Not => format!("not {}", self.negated(&op.expr)),
                UnaryOpKind::Neg => format!("{} | {NEGATE}", self.subject(&op.expr)),
            },
            Expr::BinOp(op) => self.operation(expr, op.op),
            Expr::Compare(compare) => self.comparison(compare),
            Expr::IfExpr(choice) => self.choice(choice),
            Expr::Filter(filter) => {
                let subject = filter.expr.as_ref().map(|subject| self.subject(subject)).unwrap_or_default();
                format!("{subject} | {}({})", filter.name, self.arguments(&filter.args))
            }
            Expr::Test(test) => {
                let subject = self.subject(&test.expr);
                format!("{subject} is {}({})", test.name, self.arguments(&test.args))
            }
            Expr::Call(call) => format!("{}({})", self.tight(&call.expr), self.arguments(&call.args)),
            Expr::List(list) => format!("[{}]", self.list(&list.items)),
            Expr::Tuple(tuple) if tuple.items.len() == 1 => format!("({},)", self.free(&tuple.items[0])),
            Expr::Tuple(tuple) => format!("({})", self.list(&tuple.items)),
            Expr::Map(map) => {
                let pairs = map.keys.iter().zip(&map.values);
                let pairs = pairs.map(|(key, value)| format!("{}: {}", self.free(key), self.free(value)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// An expression before `.`, `[` or `(`.
    fn tight(&self, expr: &Expr<'_>) -> String {
        match expr {
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) | Expr::Slice(_) | Expr::Call(_) => {
                self.free(expr)
            }
            Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => self.free(expr),
            _ => format!("({})", self.free(expr)),
        }
    }

    /// An expression before `|` or `is`, or beside `and` and `or`: filters and tests, and what becomes one, need no
    /// brackets, so that long chains do not lie deep.
    fn subject(&self, expr: &Expr<'_>) -> String {
        let is_filter = match expr {
            Expr::Filter(_) | Expr::Test(_) | Expr::Compare(_) | Expr::Const(_) => true,
            Expr::UnaryOp(op) => matches!(op.op, UnaryOpKind::Neg),
            Expr::BinOp(op) => !matches!(op.op, BinOpKind::ScAnd | BinOpKind::ScOr),
            _ => false,
        };
        if is_filter { self.free(expr) } else { self.tight(expr) }
    }

    fn negated(&self, expr: &Expr<'_>) -> String {
        match expr {
            Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => self.free(expr),
            _ => self.subject(expr),
        }
    }

    /// A constant. Digits that a machine number would lose are kept as a text.
    fn constant(&self, expr: &Expr<'_>, value: &Value) -> String {
        let span = expr.span();
        let written = self.code.get(span.start_offset as usize..span.end_offset as usize).unwrap_or_default();
        match value.kind() {
            ValueKind::Number if !value.is_integer() && from_digits(written).is_some() => {
                format!("\"{written}\" | {NUMBER}")
            }
            ValueKind::String => serde_json::Value::from(value.as_str()).to_string(),
            ValueKind::Bool => value.is_true().to_string(),
            ValueKind::None => "none".to_owned(),
            _ => value.to_string(),
        }
    }

    /// `A if B else C`. Without an `else`, choices may follow each other: `A if B if C`.
    fn choice(&self, choice: &IfExpr<'_>) -> String {
        let without_choice = |expr: &Expr<'_>| match expr {
            Expr::IfExpr(_) => self.tight(expr),
            _ => self.free(expr),
        };
        let yes = match &choice.true_expr {
            Expr::IfExpr(first) if first.false_expr.is_none() => self.choice(first),
            other => without_choice(other),
        };
        let test = without_choice(&choice.test_expr);
        match &choice.false_expr {
            Some(otherwise) => format!("{yes} if {test} else {}", self.free(otherwise)),
            None => format!("{yes} if {test}"),
        }
    }

    fn operation(&self, expr: &Expr<'_>, kind: BinOpKind) -> String {
        let (has_symbols, filter, is_alike): (_, _, fn(BinOpKind) -> bool) = match kind {
            BinOpKind::ScAnd => return self.logic(expr, "and", |kind| matches!(kind, BinOpKind::ScAnd)),
            BinOpKind::ScOr => return self.logic(expr, "or", |kind| matches!(kind, BinOpKind::ScOr)),
            BinOpKind::Concat => (false, TEXT, |kind| matches!(kind, BinOpKind::Concat)),
            BinOpKind::Add | BinOpKind::Sub => {
                (true, CALCULATE, |kind| matches!(kind, BinOpKind::Add | BinOpKind::Sub))
            }
            BinOpKind::Mul | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem => {
                (true, CALCULATE, |kind| {
                    matches!(kind, BinOpKind::Mul | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem)
                })
            }
            BinOpKind::Pow => (true, CALCULATE, |kind| matches!(kind, BinOpKind::Pow)),
            _ => (true, COMPARE, |_| false),
        };
        let (first, rest) = chain(expr, is_alike);
        let arguments = rest.into_iter().map(|(kind, right)| match has_symbols {
            true => format!("\"{}\", {}", symbol_of(kind), self.free(right)),
            false => self.free(right),
        });
        let arguments: Vec<String> = arguments.collect();
        format!("{} | {filter}({})", self.subject(first), arguments.join(", "))
    }

    fn logic(&self, expr: &Expr<'_>, word: &str, is_alike: fn(BinOpKind) -> bool) -> String {
        let (first, rest) = chain(expr, is_alike);
        let operands = std::iter::once(first).chain(rest.into_iter().map(|(_, right)| right));
        operands.map(|operand| self.subject(operand)).collect::<Vec<_>>().join(&format!(" {word} "))
    }

    fn comparison(&self, compare: &Compare<'_>) -> String {
        let operands = compare.ops.iter().map(|op| {
            let symbol = match op.op {
                CompareOpKind::Eq => "==",
                CompareOpKind::Ne => "!=",
                CompareOpKind::Lt => "<",
                CompareOpKind::Lte => "<=",
                CompareOpKind::Gt => ">",
                CompareOpKind::Gte => ">=",
                CompareOpKind::In => "in",
                CompareOpKind::NotIn => "not in",
            };
            format!("\"{symbol}\", {}", self.free(&op.expr))
        });
        let operands: Vec<String> = operands.collect();
        format!("{} | {COMPARE}({})", self.subject(&compare.expr), operands.join(", "))
    }

    fn list(&self, items: &[Expr<'_>]) -> String {
        items.iter().map(|item| self.free(item)).collect::<Vec<_>>().join(", ")
    }

    fn arguments(&self, args: &[CallArg<'_>]) -> String {
        let arguments = args.iter().map(|arg| match arg {
            CallArg::Pos(expr) => self.free(expr),
            CallArg::Kwarg(name, expr) => format!("{name}={}", self.free(expr)),
            CallArg::PosSplat(expr) => format!("*{}", self.free(expr)),
            CallArg::KwargSplat(expr) => format!("**{}", self.free(expr)),
        });
        arguments.collect::<Vec<_>>().join(", ")
    }
}

/// The first operand of a chain of operators that are alike, and the others, each with the operator before it.
fn chain<'e, 's>(
    expr: &'e Expr<'s>,
    is_alike: fn(BinOpKind) -> bool,
) -> (&'e Expr<'s>, Vec<(BinOpKind, &'e Expr<'s>)>) {
    let mut first = expr;
    let mut rest = Vec::new();
    while let Expr::BinOp(op) = first
        && (rest.is_empty() || is_alike(op.op))
    {
        rest.push((op.op, &op.right));
        first = &op.left;
    }
    rest.reverse();
    (first, rest)
}

fn symbol_of(kind: BinOpKind) -> &'static str {
    match kind {
        BinOpKind::Eq => "==",
        BinOpKind::Ne => "!=",
        BinOpKind::Lt => "<",
        BinOpKind::Lte => "<=",
        BinOpKind::Gt => ">",
        BinOpKind::Gte => ">=",
        BinOpKind::In => "in",
        BinOpKind::Add => "+",
        BinOpKind::Sub => "-",
        BinOpKind::Mul => "*",
        BinOpKind::Div => "/",
        BinOpKind::FloorDiv => "//",
        BinOpKind::Rem => "%",
        BinOpKind::Pow => "**",
        BinOpKind::Concat => "~",
        BinOpKind::ScAnd => "and",
        BinOpKind::ScOr => "or",
    }
}
