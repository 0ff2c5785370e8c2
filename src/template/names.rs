//! Which names an expression reads and what it calls, each with its place: the syntax tree walked once.

use minijinja::machinery::ast::{self, CallArg, Expr};
use std::ops::Range;

/// A chain of names that an expression reads: `steps.issue.outputs.token`.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The names in order, each with its byte range in the expression's text. A subscript with a constant text counts as
    /// a name; the chain ends at anything else.
    pub segments: Vec<Segment>,
    /// True inside the subject of `default`: nothing found is expected there.
    pub is_defaulted: bool,
    /// Steps of which this expression asks `steps.X.succeeded` before it reads the name.
    pub asked_steps: Vec<String>,
}

/// One name of a [`Reference`].
#[derive(Debug, Clone)]
pub struct Segment {
    /// The name.
    pub name: String,
    /// Where it stands in the expression's text.
    pub range: Range<usize>,
}

impl Reference {
    /// The names, joined by dots.
    pub fn path(&self) -> String {
        self.segments.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join(".")
    }

    /// The name at a position of the chain.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.segments.get(index).map(|segment| segment.name.as_str())
    }
}

/// A filter, test or function that an expression calls.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is called.
    pub kind: CallKind,
    /// Its name.
    pub name: String,
    /// Where the name stands in the expression's text.
    pub range: Range<usize>,
    /// How many positional arguments it gets, the subject of a filter or test not counted.
    pub positional: usize,
    /// The names of its keyword arguments.
    pub keywords: Vec<String>,
    /// Its positional arguments, those that are constant texts: `map("upper")` names a filter there.
    pub texts: Vec<Option<Segment>>,
}

/// What a [`Call`] calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// `x | name(...)`
    Filter,
    /// `x is name(...)`
    Test,
    /// `name(...)`
    Function,
    /// `x.name(...)`: nothing here has methods.
    Method,
}

/// All that an expression reads and calls.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub references: Vec<Reference>,
    pub calls: Vec<Call>,
    /// The steps whose success the expression asks for, if it is nothing else than that question.
    pub asked_steps: Vec<String>,
    /// The places of filters whose bytes end up where text is needed.
    pub stray_bytes: Vec<Range<usize>>,
}

/// Walks a syntax tree of `text`.
pub(super) fn collect(text: &str, root: &Expr<'_>) -> Names {
    let mut walk = Walk { text, names: Names::default(), is_defaulted: false, asked_steps: Vec::new() };
    walk.expression(root);
    walk.text_is_needed(root);
    walk.names.asked_steps = walk.asked_by(root);
    walk.names
}

/// The value of an expression that is nothing but a constant.
pub(super) fn constant(root: &Expr<'_>) -> Option<minijinja::Value> {
    match root {
        Expr::Const(constant) => Some(constant.value.clone()),
        _ => None,
    }
}

struct Walk<'t> {
    text: &'t str,
    names: Names,
    is_defaulted: bool,
    asked_steps: Vec<String>,
}

impl Walk<'_> {
    fn expression(&mut self, expr: &Expr<'_>) {
        match expr {
            Expr::Const(_) => {}
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => self.chain(expr),
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                for bound in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.expression(bound);
                }
            }
            Expr::UnaryOp(op) => self.expression(&op.expr),
            Expr::BinOp(op) => {
                if matches!(op.op, ast::BinOpKind::Concat) {
                    self.text_is_needed(&op.left);
                    self.text_is_needed(&op.right);
                }
                self.expression(&op.left);
                let asked = match op.op {
                    ast::BinOpKind::ScAnd => self.asked_by(&op.left),
                    _ => Vec::new(),
                };
                self.under(asked, &op.right);
            }
            Expr::Compare(compare) => {
                self.expression(&compare.expr);
                compare.ops.iter().for_each(|op| self.expression(&op.expr));
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr);
                self.under(self.asked_by(&choice.test_expr), &choice.true_expr);
                if let Some(otherwise) = &choice.false_expr {
                    self.expression(otherwise);
                }
            }
            Expr::Filter(filter) => {
                self.call(
                    CallKind::Filter,
                    filter.name,
                    name_range(self.text, expr, filter.name),
                    &filter.args,
                );
                if let Some(subject) = &filter.expr {
                    let was_defaulted = self.is_defaulted;
                    self.is_defaulted |= filter.name == "default";
                    self.expression(subject);
                    self.is_defaulted = was_defaulted;
                }
            }
            Expr::Test(test) => {
                self.call(CallKind::Test, test.name, name_range(self.text, expr, test.name), &test.args);
                self.expression(&test.expr);
            }
            Expr::Call(call) => match &call.expr {
                Expr::Var(function) => {
                    let range = range_of(&call.expr);
                    self.call(CallKind::Function, function.id, range, &call.args);
                }
                Expr::GetAttr(method) => {
                    let range = name_range(self.text, &call.expr, method.name);
                    self.call(CallKind::Method, method.name, range, &call.args);
                    self.expression(&method.expr);
                }
                other => {
                    self.call(CallKind::Method, "", range_of(other), &call.args);
                    self.expression(other);
                }
            },
            Expr::List(list) => list.items.iter().for_each(|item| self.expression(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expression(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| self.expression(item)),
        }
    }

    /// Takes up the filters whose bytes are the value of an expression: where text is needed, they have no place.
    fn text_is_needed(&mut self, expr: &Expr<'_>) {
        match expr {
            Expr::Filter(filter) if matches!(filter.name, "sha1" | "sha256" | "hmac_sha256") => {
                self.names.stray_bytes.push(name_range(self.text, expr, filter.name));
            }
            Expr::IfExpr(choice) => {
                self.text_is_needed(&choice.true_expr);
                choice.false_expr.iter().for_each(|otherwise| self.text_is_needed(otherwise));
            }
            _ => {}
        }
    }

    /// Walks an expression that is only evaluated where the steps asked before have succeeded.
    fn under(&mut self, asked: Vec<String>, expr: &Expr<'_>) {
        let before = self.asked_steps.len();
        self.asked_steps.extend(asked);
        self.expression(expr);
        self.asked_steps.truncate(before);
    }

    /// The steps whose success a condition asks for: `steps.X.succeeded`, alone or joined by `and`.
    fn asked_by(&self, condition: &Expr<'_>) -> Vec<String> {
        if let Expr::BinOp(op) = condition
            && matches!(op.op, ast::BinOpKind::ScAnd)
        {
            return [self.asked_by(&op.left), self.asked_by(&op.right)].concat();
        }
        let (mut segments, mut subscripts) = (Vec::new(), Vec::new());
        let is_chain = self.segments(condition, &mut segments, &mut subscripts).is_none();
        let names: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
        match names.as_slice() {
            ["steps", step, "succeeded"] if is_chain && subscripts.is_empty() => vec![(*step).to_owned()],
            _ => Vec::new(),
        }
    }

    fn chain(&mut self, expr: &Expr<'_>) {
        let mut segments = Vec::new();
        let mut subscripts = Vec::new();
        if let Some(rest) = self.segments(expr, &mut segments, &mut subscripts) {
            self.expression(rest);
        } else {
            self.names.references.push(Reference {
                segments,
                is_defaulted: self.is_defaulted,
                asked_steps: self.asked_steps.clone(),
            });
        }
        subscripts.into_iter().for_each(|subscript| self.expression(subscript));
    }

    /// Collects the names of a chain from its root on. Returns the root when it is no name.
    fn segments<'e, 's>(
        &self,
        expr: &'e Expr<'s>,
        segments: &mut Vec<Segment>,
        subscripts: &mut Vec<&'e Expr<'s>>,
    ) -> Option<&'e Expr<'s>> {
        match expr {
            Expr::Var(name) => {
                segments.push(Segment { name: name.id.to_owned(), range: range_of(expr) });
                None
            }
            Expr::GetAttr(attribute) => {
                let above = self.segments(&attribute.expr, segments, subscripts);
                if subscripts.is_empty() && above.is_none() {
                    let range = name_range(self.text, expr, attribute.name);
                    segments.push(Segment { name: attribute.name.to_owned(), range });
                }
                above
            }
            Expr::GetItem(item) => {
                let above = self.segments(&item.expr, segments, subscripts);
                match constant_text(&item.subscript_expr) {
                    Some(name) if subscripts.is_empty() && above.is_none() => {
                        segments.push(Segment { name, range: range_of(&item.subscript_expr) });
                    }
                    _ => subscripts.push(&item.subscript_expr),
                }
                above
            }
            other => Some(other),
        }
    }

    fn call(&mut self, kind: CallKind, name: &str, range: Range<usize>, args: &[CallArg<'_>]) {
        let mut call = Call {
            kind,
            name: name.to_owned(),
            range,
            positional: 0,
            keywords: Vec::new(),
            texts: Vec::new(),
        };
        for arg in args {
            match arg {
                CallArg::Pos(expr) | CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => {
                    let segment = |name| Segment { name, range: range_of(expr) };
                    call.texts.push(constant_text(expr).map(segment));
                    call.positional += 1;
                    self.expression(expr);
                }
                CallArg::Kwarg(name, expr) => {
                    call.keywords.push((*name).to_owned());
                    self.expression(expr);
                }
            }
        }
        self.names.calls.push(call);
    }
}

fn constant_text(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Const(constant) => constant.value.as_str().map(str::to_owned),
        _ => None,
    }
}

fn range_of(expr: &Expr<'_>) -> Range<usize> {
    let span = expr.span();
    span.start_offset as usize..span.end_offset as usize
}

/// The place of a name that ends a chain or follows `|` or `is`: the syntax tree gives only the whole expression's.
fn name_range(text: &str, expr: &Expr<'_>, name: &str) -> Range<usize> {
    let whole = range_of(expr);
    let subject_end = match expr {
        Expr::GetAttr(attribute) => range_of(&attribute.expr).end,
        Expr::Filter(filter) => filter.expr.as_ref().map_or(whole.start, |subject| range_of(subject).end),
        Expr::Test(test) => range_of(&test.expr).end,
        _ => whole.start,
    };
    match text.get(subject_end..).and_then(|rest| rest.find(name)) {
        Some(offset) => subject_end + offset..subject_end + offset + name.len(),
        None => whole,
    }
}
