//! Operators and filters that draw what they make on the budget, before they make it where that may be much.

use std::sync::{Arc, LazyLock};

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Expression, State, Value, context, filters};

use super::bounds::{MAX_INDENT, indented};
use super::peers;
use crate::budget::{Budget, OverBudget};

/// `a * b`. No template can name these filters: they are no identifiers.
pub(super) const TIMES: &str = "*";
/// `a ~ b`, which joins two values as texts.
pub(super) const CONCAT: &str = "~";
/// A value that was made of others just now.
pub(super) const GROWN: &str = "=";
/// A value that must be defined.
pub(super) const USED: &str = "?";

/// The bytes that a value in a list or map takes, beside its text.
const VALUE: usize = 32;
/// The deepest nesting of values that are written out or compared: the template engine recurses.
const MAX_DEPTH: usize = 64;

/// Adds all filters, bounded by `budget`, to `environment`.
pub(super) fn add_to(environment: &mut Environment<'_>, budget: &Arc<Budget>) {
    operators(environment, budget);
    let mut text = |name: &'static str, filter: Value| add(environment, budget, name, filter, as_text);
    text("capitalize", Value::from_function(filters::capitalize));
    text("escape", Value::from_function(filters::escape));
    text("e", Value::from_function(filters::escape));
    text("lines", Value::from_function(filters::lines));
    text("lower", Value::from_function(filters::lower));
    text("pprint", Value::from_function(filters::pprint));
    text("split", Value::from_function(filters::split));
    text("string", Value::from_function(filters::string));
    text("title", Value::from_function(filters::title));
    text("tojson", Value::from_function(json));
    text("trim", Value::from_function(filters::trim));
    text("unique", Value::from_function(filters::unique));
    text("upper", Value::from_function(filters::upper));
    let mut list = |name: &'static str, filter: Value| add(environment, budget, name, filter, as_lists);
    list("batch", Value::from_function(filters::batch));
    list("chain", Value::from_function(filters::chain));
    list("dictsort", Value::from_function(filters::dictsort));
    list("first", Value::from_function(filters::first));
    list("groupby", Value::from_function(filters::groupby));
    list("items", Value::from_function(filters::items));
    list("last", Value::from_function(filters::last));
    list("list", Value::from_function(filters::list));
    list("map", Value::from_function(filters::map));
    list("max", Value::from_function(filters::max));
    list("min", Value::from_function(filters::min));
    list("reject", Value::from_function(filters::reject));
    list("rejectattr", Value::from_function(filters::rejectattr));
    list("reverse", Value::from_function(filters::reverse));
    list("select", Value::from_function(filters::select));
    list("selectattr", Value::from_function(filters::selectattr));
    list("slice", Value::from_function(filters::slice));
    list("sort", Value::from_function(filters::sort));
    list("sum", Value::from_function(filters::sum));
    list("zip", Value::from_function(filters::zip));
    let mut of_nodes = |name: &'static str, filter: Value| add(environment, budget, name, filter, peers::cost);
    of_nodes("names", Value::from_function(peers::names));
    of_nodes("hosts", Value::from_function(peers::hosts));
    of_nodes("urls", Value::from_function(peers::urls));
    add(environment, budget, "format", Value::from_function(format), as_format);
    add(environment, budget, "indent", Value::from_function(indent), as_indented);
    add(
        environment,
        budget,
        "join",
        Value::from_function(filters::join),
        as_joined,
    );
    add(
        environment,
        budget,
        "replace",
        Value::from_function(filters::replace),
        as_replaced,
    );
}

fn operators(environment: &mut Environment<'_>, budget: &Arc<Budget>) {
    let own = budget.clone();
    environment.add_filter(TIMES, move |left: &Value, right: &Value| times(left, right, &own));
    let own = budget.clone();
    environment.add_filter(CONCAT, move |left: &Value, right: &Value| {
        draw(written(left, &own)?.saturating_add(written(right, &own)?), &own)?;
        Ok::<_, Error>(Value::from(format!("{left}{right}")))
    });
    let own = budget.clone();
    environment.add_filter(GROWN, move |value: Value| {
        let bytes = match value.as_str() {
            Some(text) => text.len(),
            None => elements(&value, &own)?.saturating_mul(VALUE),
        };
        draw(bytes, &own).map(|()| value)
    });
    environment.add_filter(USED, |value: Value| match value.is_undefined() {
        true => Err(Error::from(ErrorKind::UndefinedError)),
        false => Ok(value),
    });
}

/// Adds `filter`, before which what `cost` says of its arguments is drawn.
fn add(
    environment: &mut Environment<'_>,
    budget: &Arc<Budget>,
    name: &'static str,
    filter: Value,
    cost: fn(&[Value], &Budget) -> Result<usize, Error>,
) {
    let budget = budget.clone();
    environment.add_filter(
        name,
        move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
            let arguments: Vec<Value> = arguments.0.into_iter().map(Value::from).collect();
            draw(cost(&arguments, &budget)?, &budget)?;
            filter.call(state, &arguments)
        },
    );
}

/// Draws `bytes` on the budget.
pub(super) fn draw(bytes: usize, budget: &Budget) -> Result<(), Error> {
    budget.spend(bytes).map_err(over)
}

/// The template engine's error for a spent budget.
pub(super) fn over(error: OverBudget) -> Error {
    Error::new(ErrorKind::InvalidOperation, error.to_string())
}

/// `left * right`: a number, or as many copies of a text or list.
fn times(left: &Value, right: &Value, budget: &Budget) -> Result<Value, Error> {
    let (repeated, count) = match (left.kind(), right.kind()) {
        (ValueKind::Number, ValueKind::Number) => (None, right),
        (ValueKind::Number, _) => (Some(right), left),
        _ => (Some(left), right),
    };
    if let Some(repeated) = repeated {
        let one = match repeated.as_str() {
            Some(text) => text.len(),
            None => elements(repeated, budget)?.saturating_mul(VALUE),
        };
        draw(one.saturating_mul(count.as_usize().unwrap_or(0)), budget)?;
    }
    static PRODUCT: LazyLock<Option<Expression<'static, 'static>>> = LazyLock::new(|| {
        static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(Environment::empty);
        ENVIRONMENT.compile_expression("a * b").ok()
    });
    let product = PRODUCT.as_ref().ok_or(ErrorKind::BadSerialization)?;
    let result = product.eval(context! { a => left, b => right });
    // The place is that of the template, not of the product above.
    result.map_err(|e| Error::new(e.kind(), e.detail().unwrap_or_default().to_owned()))
}

/// How many values there are in `value`, each time that it holds them. Looking costs as well: no more are counted than the budget
/// pays for.
fn elements(value: &Value, budget: &Budget) -> Result<usize, Error> {
    let most = usize::try_from(budget.left()).unwrap_or(usize::MAX) / VALUE;
    if let Some(length) = value.len().filter(|length| *length > most) {
        return Ok(length);
    }
    let mut count = 0;
    walk(value, 0, &mut |_| {
        count += 1;
        count <= most
    })?;
    Ok(count)
}

/// The bytes of `value` when it is written out.
pub(super) fn written(value: &Value, budget: &Budget) -> Result<usize, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.len());
    }
    let mut bytes = 0usize;
    let most = usize::try_from(budget.left()).unwrap_or(usize::MAX);
    walk(value, 0, &mut |value| {
        bytes = bytes.saturating_add(value.as_str().map_or(8, |text| text.len() + 4));
        bytes <= most
    })?;
    Ok(bytes)
}

/// Calls `visit` of `value` and of all that it holds, until that says no. Whether it did not.
fn walk(value: &Value, depth: usize, visit: &mut dyn FnMut(&Value) -> bool) -> Result<bool, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("values are nested too deep: {MAX_DEPTH} levels are the most"),
        ));
    }
    if !visit(value) {
        return Ok(false);
    }
    let is_map = value.kind() == ValueKind::Map;
    if !is_map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Ok(true);
    }
    for item in value.try_iter()? {
        if !walk(&item, depth + 1, visit)? {
            return Ok(false);
        }
        if is_map && !walk(&value.get_item(&item)?, depth + 1, visit)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many values `value` holds itself, or characters.
fn length(value: &Value, budget: &Budget) -> usize {
    if let Some(length) = value.len() {
        return length;
    }
    let most = usize::try_from(budget.left()).unwrap_or(usize::MAX) / VALUE;
    value
        .try_iter()
        .map_or(0, |items| items.take(most.saturating_add(1)).count())
}

/// Texts as long as all arguments are when they are written out, and as many values as they have characters at most.
fn as_text(arguments: &[Value], budget: &Budget) -> Result<usize, Error> {
    let lengths = arguments.iter().map(|a| written(a, budget));
    lengths
        .sum::<Result<usize, Error>>()
        .map(|bytes| bytes.saturating_mul(2))
}

/// Lists of as many values as the arguments hold.
fn as_lists(arguments: &[Value], budget: &Budget) -> Result<usize, Error> {
    // The last two of `slice` and `batch` are a count and what fills them up.
    let count = arguments.get(1).and_then(Value::as_usize).unwrap_or(0);
    let lengths = arguments
        .iter()
        .map(|a| length(a, budget))
        .fold(count, usize::saturating_add);
    Ok(lengths.saturating_mul(VALUE))
}

/// The texts of a list, with what joins them between them.
fn as_joined(arguments: &[Value], budget: &Budget) -> Result<usize, Error> {
    let [list, rest @ ..] = arguments else { return Ok(0) };
    let between = rest.iter().map(|a| written(a, budget)).sum::<Result<usize, Error>>()?;
    Ok(written(list, budget)?.saturating_add(length(list, budget).saturating_mul(between)))
}

/// A text with all of its parts replaced.
fn as_replaced(arguments: &[Value], budget: &Budget) -> Result<usize, Error> {
    let [text, from, to, ..] = arguments else { return Ok(0) };
    let (text, from, to) = (written(text, budget)?, written(from, budget)?, written(to, budget)?);
    Ok(text.saturating_add((text / from.max(1)).saturating_add(1).saturating_mul(to)))
}

/// A text with what it formats, each as wide as may be asked for.
fn as_format(arguments: &[Value], budget: &Budget) -> Result<usize, Error> {
    Ok(as_text(arguments, budget)?.saturating_add(arguments.len().saturating_mul(1000)))
}

/// A text with a margin before each of its lines.
fn as_indented(arguments: &[Value], budget: &Budget) -> Result<usize, Error> {
    let [text, rest @ ..] = arguments else { return Ok(0) };
    let lines = text
        .as_str()
        .map_or(0, |text| text.bytes().filter(|b| *b == b'\n').count() + 1);
    let width = rest
        .first()
        .and_then(Value::as_usize)
        .unwrap_or(MAX_INDENT)
        .min(MAX_INDENT);
    Ok(written(text, budget)?.saturating_add(lines.saturating_mul(width)))
}

fn indent(text: &str, width: usize, first: Option<bool>, blank: Option<bool>) -> Result<String, Error> {
    if width > MAX_INDENT {
        let message = format!("`indent` takes {MAX_INDENT} at most");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(indented(text, width, first.unwrap_or(false), blank.unwrap_or(false)))
}

fn format(state: &mut State<'_, '_>, format: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let text = format.as_str().unwrap_or_default();
    let digits = text.split(|c: char| !c.is_ascii_digit()).map(str::len);
    if digits.max().unwrap_or(0) > 3 || text.contains('*') {
        let message = "`format` takes widths up to 999";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    filters::format(state, format, values)
}

/// Plain JSON. The built-in filter escapes for HTML, which config files do not need.
fn json(value: &Value, pretty: Option<bool>) -> Result<String, Error> {
    let text = match pretty {
        Some(true) => serde_json::to_string_pretty(value),
        _ => serde_json::to_string(value),
    };
    text.map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
}
