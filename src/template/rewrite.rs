//! Puts bounds into a parsed template: what makes values grow becomes a filter that draws on the budget.
//!
//! The template engine counts instructions and not sizes, and its operators cannot be replaced. So its tree is built
//! again, with `a * b` as `a | OP_TIMES(b)` and so on, each part at the place that it was written.

use minijinja::Value;
use minijinja::machinery::Span;
use minijinja::machinery::ast::{
    AutoEscape, BinOp, BinOpKind, Block, Call, CallArg, CallBlock, Compare, CompareOp, Const, Do, EmitExpr, Expr,
    Extends, Filter, FilterBlock, ForLoop, FromImport, GetAttr, GetItem, IfCond, IfExpr, Import, Include, List, Macro,
    Map, Set, SetBlock, Slice, Spanned, Stmt, Template, Test, Tuple, UnaryOp, UnaryOpKind, WithBlock,
};

use super::bounded::{CONCAT, GROWN, TIMES, USED};

/// The template with bounds.
pub(super) fn statement<'a>(asked: &Stmt<'a>) -> Stmt<'a> {
    match asked {
        Stmt::Template(s) => {
            let children = body(&s.children);
            Stmt::Template(Spanned::new(Template { children }, s.span()))
        }
        Stmt::EmitExpr(s) => emit(expression(&s.expr), s.span()),
        // What is written as it is counts as what is written by an expression does.
        Stmt::EmitRaw(s) => {
            let value = Value::from(s.raw);
            emit(Expr::Const(Spanned::new(Const { value }, s.span())), s.span())
        }
        Stmt::ForLoop(s) => {
            let for_loop = ForLoop {
                target: target(&s.target),
                iter: expression(&s.iter),
                filter_expr: s.filter_expr.as_ref().map(expression),
                recursive: s.recursive,
                body: body(&s.body),
                else_body: body(&s.else_body),
            };
            Stmt::ForLoop(Spanned::new(for_loop, s.span()))
        }
        Stmt::IfCond(s) => {
            let condition = IfCond {
                expr: expression(&s.expr),
                true_body: body(&s.true_body),
                false_body: body(&s.false_body),
            };
            Stmt::IfCond(Spanned::new(condition, s.span()))
        }
        Stmt::WithBlock(s) => {
            let assignments = s.assignments.iter();
            let with = WithBlock {
                assignments: assignments.map(|(to, from)| (target(to), expression(from))).collect(),
                body: body(&s.body),
            };
            Stmt::WithBlock(Spanned::new(with, s.span()))
        }
        Stmt::Set(s) => {
            let set = Set {
                target: target(&s.target),
                expr: expression(&s.expr),
            };
            Stmt::Set(Spanned::new(set, s.span()))
        }
        Stmt::SetBlock(s) => {
            let set = SetBlock {
                target: target(&s.target),
                filter: s.filter.as_ref().map(expression),
                body: body(&s.body),
            };
            Stmt::SetBlock(Spanned::new(set, s.span()))
        }
        other => rarer(other),
    }
}

fn rarer<'a>(asked: &Stmt<'a>) -> Stmt<'a> {
    match asked {
        Stmt::AutoEscape(s) => {
            let escape = AutoEscape {
                enabled: expression(&s.enabled),
                body: body(&s.body),
            };
            Stmt::AutoEscape(Spanned::new(escape, s.span()))
        }
        Stmt::FilterBlock(s) => {
            let block = FilterBlock {
                filter: expression(&s.filter),
                body: body(&s.body),
            };
            Stmt::FilterBlock(Spanned::new(block, s.span()))
        }
        Stmt::Block(s) => {
            let block = Block {
                name: s.name,
                required: s.required,
                body: body(&s.body),
            };
            Stmt::Block(Spanned::new(block, s.span()))
        }
        Stmt::Import(s) => {
            let import = Import {
                expr: expression(&s.expr),
                name: expression(&s.name),
            };
            Stmt::Import(Spanned::new(import, s.span()))
        }
        Stmt::FromImport(s) => {
            let names = s.names.iter();
            let import = FromImport {
                expr: expression(&s.expr),
                names: names
                    .map(|(name, to)| (expression(name), to.as_ref().map(expression)))
                    .collect(),
            };
            Stmt::FromImport(Spanned::new(import, s.span()))
        }
        Stmt::Extends(s) => {
            let name = expression(&s.name);
            Stmt::Extends(Spanned::new(Extends { name }, s.span()))
        }
        Stmt::Include(s) => {
            let include = Include {
                name: expression(&s.name),
                ignore_missing: s.ignore_missing,
            };
            Stmt::Include(Spanned::new(include, s.span()))
        }
        Stmt::Macro(s) => Stmt::Macro(declared(s)),
        Stmt::CallBlock(s) => {
            let block = CallBlock {
                call: called(&s.call),
                macro_decl: declared(&s.macro_decl),
            };
            Stmt::CallBlock(Spanned::new(block, s.span()))
        }
        Stmt::Continue(s) => Stmt::Continue(Spanned::new(minijinja::machinery::ast::Continue, s.span())),
        Stmt::Break(s) => Stmt::Break(Spanned::new(minijinja::machinery::ast::Break, s.span())),
        Stmt::Do(s) => {
            let call = called(&s.call);
            Stmt::Do(Spanned::new(Do { call }, s.span()))
        }
        other => statement(other),
    }
}

/// What is assigned to: a name, an attribute, or several of them, which hold nothing yet.
fn target<'a>(asked: &Expr<'a>) -> Expr<'a> {
    match asked {
        Expr::List(e) => {
            let items = e.items.iter().map(target).collect();
            Expr::List(Spanned::new(List { items }, e.span()))
        }
        Expr::Tuple(e) => {
            let items = e.items.iter().map(target).collect();
            Expr::Tuple(Spanned::new(Tuple { items }, e.span()))
        }
        other => expression(other),
    }
}

fn body<'a>(statements: &[Stmt<'a>]) -> Vec<Stmt<'a>> {
    statements.iter().map(statement).collect()
}

fn emit(expr: Expr<'_>, span: Span) -> Stmt<'_> {
    Stmt::EmitExpr(Spanned::new(EmitExpr { expr }, span))
}

fn declared<'a>(declaration: &Spanned<Macro<'a>>) -> Spanned<Macro<'a>> {
    let made = Macro {
        name: declaration.name,
        args: declaration.args.iter().map(expression).collect(),
        defaults: declaration.defaults.iter().map(expression).collect(),
        body: body(&declaration.body),
    };
    Spanned::new(made, declaration.span())
}

fn called<'a>(call: &Spanned<Call<'a>>) -> Spanned<Call<'a>> {
    let made = Call {
        expr: expression(&call.expr),
        args: arguments(&call.args),
    };
    Spanned::new(made, call.span())
}

fn arguments<'a>(arguments: &[CallArg<'a>]) -> Vec<CallArg<'a>> {
    let argument = |argument: &CallArg<'a>| match argument {
        CallArg::Pos(value) => CallArg::Pos(expression(value)),
        CallArg::Kwarg(name, value) => CallArg::Kwarg(name, expression(value)),
        CallArg::PosSplat(value) => CallArg::PosSplat(expression(value)),
        CallArg::KwargSplat(value) => CallArg::KwargSplat(expression(value)),
    };
    arguments.iter().map(argument).collect()
}

fn expression<'a>(asked: &Expr<'a>) -> Expr<'a> {
    let span = asked.span();
    match asked {
        Expr::Var(e) => Expr::Var(Spanned::new(minijinja::machinery::ast::Var { id: e.id }, span)),
        Expr::Const(e) => constant(e.value.clone(), span),
        Expr::Slice(e) => {
            let slice = Slice {
                expr: expression(&e.expr),
                start: e.start.as_ref().map(expression),
                stop: e.stop.as_ref().map(expression),
                step: e.step.as_ref().map(expression),
            };
            filter(GROWN, Expr::Slice(Spanned::new(slice, span)), None, span)
        }
        Expr::UnaryOp(e) => {
            let is_not = matches!(e.op, UnaryOpKind::Not);
            let op = if is_not { UnaryOpKind::Not } else { UnaryOpKind::Neg };
            let expr = expression(&e.expr);
            Expr::UnaryOp(Spanned::new(UnaryOp { op, expr }, span))
        }
        Expr::BinOp(e) => operation(e, span),
        Expr::Compare(e) => {
            let op = |o: &CompareOp<'a>| CompareOp {
                op: o.op,
                expr: expression(&o.expr),
            };
            let compare = Compare {
                expr: expression(&e.expr),
                ops: e.ops.iter().map(op).collect(),
            };
            Expr::Compare(Spanned::new(compare, span))
        }
        Expr::IfExpr(e) => {
            let condition = IfExpr {
                test_expr: expression(&e.test_expr),
                true_expr: expression(&e.true_expr),
                false_expr: e.false_expr.as_ref().map(expression),
            };
            Expr::IfExpr(Spanned::new(condition, span))
        }
        other => compound(other, span),
    }
}

fn compound<'a>(asked: &Expr<'a>, span: Span) -> Expr<'a> {
    match asked {
        Expr::Filter(e) => {
            let filter = Filter {
                name: e.name,
                expr: e.expr.as_ref().map(expression),
                args: arguments(&e.args),
            };
            Expr::Filter(Spanned::new(filter, span))
        }
        Expr::Test(e) => {
            let test = Test {
                name: e.name,
                expr: expression(&e.expr),
                args: arguments(&e.args),
            };
            Expr::Test(Spanned::new(test, span))
        }
        Expr::GetAttr(e) => {
            let get = GetAttr {
                expr: expression(&e.expr),
                name: e.name,
            };
            Expr::GetAttr(Spanned::new(get, span))
        }
        Expr::GetItem(e) => {
            let get = GetItem {
                expr: expression(&e.expr),
                subscript_expr: expression(&e.subscript_expr),
            };
            Expr::GetItem(Spanned::new(get, span))
        }
        Expr::Call(e) => Expr::Call(called(e)),
        Expr::List(e) => {
            let items = e.items.iter().map(expression).collect();
            grown_unless_constant(Expr::List(Spanned::new(List { items }, span)))
        }
        Expr::Tuple(e) => {
            let items = e.items.iter().map(expression).collect();
            grown_unless_constant(Expr::Tuple(Spanned::new(Tuple { items }, span)))
        }
        Expr::Map(e) => {
            let map = Map {
                keys: e.keys.iter().map(expression).collect(),
                values: e.values.iter().map(expression).collect(),
            };
            grown_unless_constant(Expr::Map(Spanned::new(map, span)))
        }
        other => expression(other),
    }
}

/// An operation; those that make long values of short ones draw on the budget.
fn operation<'a>(asked: &Spanned<BinOp<'a>>, span: Span) -> Expr<'a> {
    let (left, right) = (expression(&asked.left), expression(&asked.right));
    match asked.op {
        BinOpKind::Mul => filter(TIMES, used(left), Some(used(right)), span),
        BinOpKind::Concat => filter(CONCAT, used(left), Some(used(right)), span),
        op => {
            let made = Expr::BinOp(Spanned::new(BinOp { op, left, right }, span));
            match op {
                BinOpKind::Add => filter(GROWN, made, None, span),
                _ => made,
            }
        }
    }
}

/// What is written out in a template is as long as it is written.
fn grown_unless_constant(made: Expr<'_>) -> Expr<'_> {
    let span = made.span();
    match made.as_const() {
        Some(_) => made,
        None => filter(GROWN, made, None, span),
    }
}

/// An operand that must be defined.
fn used(operand: Expr<'_>) -> Expr<'_> {
    let span = operand.span();
    match operand {
        Expr::Const(_) => operand,
        operand => filter(USED, operand, None, span),
    }
}

fn filter<'a>(name: &'static str, value: Expr<'a>, argument: Option<Expr<'a>>, span: Span) -> Expr<'a> {
    let filter = Filter {
        name,
        expr: Some(value),
        args: argument.map(CallArg::Pos).into_iter().collect(),
    };
    Expr::Filter(Spanned::new(filter, span))
}

fn constant<'a>(value: Value, span: Span) -> Expr<'a> {
    Expr::Const(Spanned::new(Const { value }, span))
}
