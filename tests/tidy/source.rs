//! Parses a source file and keeps the parts that the rules check: paths, strings, functions,
//! attributes. Code under `#[cfg(test)]` is left out.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, Lit, Meta, UseTree};

/// A module's path from the crate's root; the root is empty.
pub type ModulePath = Vec<String>;

/// A path as it is written, and its position.
#[derive(Clone, Debug)]
pub struct NamedPath {
    pub line: usize,
    /// The module that contains the path.
    pub at: ModulePath,
    /// Its segments, including `crate`, `self` and `super`.
    pub path: Vec<String>,
    /// The local name from a `use`; `None` for a path outside of one.
    pub alias: Option<String>,
    /// Whether it is `use path::*`.
    pub glob: bool,
}

/// A string in the code.
#[derive(Clone, Debug)]
pub struct StringLiteral {
    pub line: usize,
    pub value: String,
    /// Whether a header map is queried with it directly.
    pub asked: bool,
}

/// A child module.
#[derive(Clone, Debug)]
pub struct ChildModule {
    pub at: ModulePath,
    pub name: String,
    pub inline: bool,
    pub test: bool,
}

/// The parts of one file that the rules check.
#[derive(Debug, Default)]
pub struct ParsedSource {
    pub named: Vec<NamedPath>,
    pub texts: Vec<StringLiteral>,
    pub children: Vec<ChildModule>,
    /// Name, first line, and number of lines of each function.
    pub functions: Vec<(String, usize, usize)>,
    /// Attributes that are not documentation, as `name(tokens)`.
    pub attributes: Vec<(usize, String)>,
    /// Number of lines under `#[cfg(test)]`.
    pub test_lines: usize,
    at: ModulePath,
    asking: usize,
}

/// Names of methods that read a header map.
const ASKS: &[&str] = &["get", "get_all", "get_mut", "contains_key", "entry"];

impl ParsedSource {
    /// Parses the text of the file that is module `at`.
    pub fn read(text: &str, at: &[String]) -> Self {
        let ast = syn::parse_file(text).unwrap_or_else(|it| panic!("{at:?} is not Rust: {it}"));
        let mut out = Self { at: at.to_vec(), ..Self::default() };
        out.visit_file(&ast);
        out
    }

    fn name(&mut self, line: usize, path: Vec<String>) {
        self.named.push(NamedPath { line, at: self.at.clone(), path, alias: None, glob: false });
    }

    fn uses(&mut self, tree: &UseTree, mut path: Vec<String>) {
        let line = tree.span().start().line;
        let (alias, glob) = match tree {
            UseTree::Path(it) => {
                path.push(it.ident.to_string());
                return self.uses(&it.tree, path);
            }
            UseTree::Group(it) => {
                return it.items.iter().for_each(|it| self.uses(it, path.clone()));
            }
            UseTree::Name(it) if it.ident == "self" => (path.last().cloned(), false),
            UseTree::Name(it) => {
                path.push(it.ident.to_string());
                (path.last().cloned(), false)
            }
            UseTree::Rename(it) => {
                if it.ident != "self" || path.is_empty() {
                    path.push(it.ident.to_string());
                }
                (Some(it.rename.to_string()), false)
            }
            UseTree::Glob(_) => (None, true),
        };
        self.named.push(NamedPath { line, at: self.at.clone(), path, alias, glob });
    }

    /// Macros are not expanded: everything in them that looks like a path or a string counts.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut line, mut joined) = (Vec::new(), 0, false);
        let all: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in all.iter().enumerate() {
            match token {
                TokenTree::Ident(it) => {
                    if !joined {
                        self.end(&mut path, line);
                        line = it.span().start().line;
                    }
                    path.push(it.to_string());
                    joined = false;
                }
                TokenTree::Punct(it) if it.as_char() == ':' => {
                    joined =
                        all.get(at.wrapping_sub(1)).is_some_and(is_first_colon) && !path.is_empty();
                }
                TokenTree::Group(it) => {
                    // `crate::{a, b}` in a macro: its items are not followed, so the path counts as
                    // naming the whole module.
                    if joined && it.delimiter() == Delimiter::Brace {
                        path.push("*".to_owned());
                    }
                    self.end(&mut path, line);
                    joined = false;
                    self.tokens(it.stream());
                }
                TokenTree::Literal(it) => {
                    self.end(&mut path, line);
                    joined = false;
                    if let Lit::Str(it) = Lit::new(it.clone()) {
                        self.text(it.span().start().line, it.value());
                    }
                }
                TokenTree::Punct(_) => {
                    self.end(&mut path, line);
                    joined = false;
                }
            }
        }
        self.end(&mut path, line);
    }

    fn end(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.name(line, path);
        }
    }

    fn text(&mut self, line: usize, value: String) {
        self.texts.push(StringLiteral { line, value, asked: self.asking > 0 });
    }

    /// `#[serde(with = "super::x")]`: a string in an attribute may be a path.
    fn attribute_tokens(&mut self, tokens: TokenStream) {
        let before = self.texts.len();
        self.tokens(tokens);
        for text in self.texts.split_off(before) {
            self.path_in_a_string(text.line, &text.value);
        }
    }

    fn path_in_a_string(&mut self, line: usize, value: &str) {
        if let Ok(path) = syn::parse_str::<syn::Path>(value)
            && path.segments.len() > 1
        {
            self.name(line, segments(&path));
        }
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = block.brace_token.span.close().end().line;
        self.functions.push((signature.ident.to_string(), first, last - first + 1));
    }

    fn skip(&mut self, item: &impl Spanned, attributes: &[Attribute]) -> bool {
        let skip = attributes.iter().any(is_for_tests);
        if skip {
            self.test_lines += item.span().end().line - item.span().start().line + 1;
        }
        skip
    }
}

impl<'a> Visit<'a> for ParsedSource {
    fn visit_item(&mut self, item: &'a Item) {
        if let Item::Mod(it) = item {
            let (at, name, test) =
                (self.at.clone(), it.ident.to_string(), it.attrs.iter().any(is_for_tests));
            self.children.push(ChildModule { at, name, inline: it.content.is_some(), test });
        }
        if !self.skip(item, attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'a syn::ImplItem) {
        let attributes: &[Attribute] = match item {
            syn::ImplItem::Const(it) => &it.attrs,
            syn::ImplItem::Fn(it) => &it.attrs,
            syn::ImplItem::Type(it) => &it.attrs,
            syn::ImplItem::Macro(it) => &it.attrs,
            _ => &[],
        };
        if !self.skip(item, attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.at.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.at.pop();
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        item.attrs.iter().for_each(|it| self.visit_attribute(it));
        if item.leading_colon.is_none() {
            self.uses(&item.tree, Vec::new());
        }
    }

    fn visit_item_extern_crate(&mut self, item: &'a syn::ItemExternCrate) {
        if let (true, Some((_, alias))) = (item.ident == "self", &item.rename) {
            let line = item.ident.span().start().line;
            self.named.push(NamedPath {
                line,
                at: self.at.clone(),
                path: vec!["crate".to_owned()],
                alias: Some(alias.to_string()),
                glob: false,
            });
        }
    }

    /// `pub(in crate::x)` names a module, but does not import it.
    fn visit_visibility(&mut self, _: &'a syn::Visibility) {}

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            self.name(path.span().start().line, segments(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, it: &'a syn::Macro) {
        self.visit_path(&it.path);
        self.tokens(it.tokens.clone());
    }

    fn visit_attribute(&mut self, it: &'a Attribute) {
        let line = it.span().start().line;
        if it.path().is_ident("doc") {
            return;
        }
        let name = segments(it.path()).join("::");
        match &it.meta {
            Meta::Path(_) => self.attributes.push((line, name)),
            Meta::List(list) => {
                self.attributes.push((line, format!("{name}({})", list.tokens)));
                self.attribute_tokens(list.tokens.clone());
            }
            Meta::NameValue(pair) => {
                self.attributes.push((line, name));
                if let Expr::Lit(syn::ExprLit { lit: Lit::Str(it), .. }) = &pair.value {
                    self.path_in_a_string(line, &it.value());
                }
            }
        }
    }

    fn visit_lit(&mut self, it: &'a Lit) {
        match it {
            Lit::Str(it) => self.text(it.span().start().line, it.value()),
            Lit::ByteStr(it) => {
                self.text(
                    it.span().start().line,
                    String::from_utf8_lossy(&it.value()).into_owned(),
                );
            }
            _ => {}
        }
    }

    fn visit_expr_method_call(&mut self, it: &'a syn::ExprMethodCall) {
        self.visit_expr(&it.receiver);
        let asks = usize::from(ASKS.iter().any(|ask| it.method == ask));
        self.asking += asks;
        it.args.iter().for_each(|it| self.visit_expr(it));
        self.asking -= asks;
        it.turbofish.iter().for_each(|it| self.visit_angle_bracketed_generic_arguments(it));
    }

    fn visit_item_fn(&mut self, it: &'a syn::ItemFn) {
        self.function(&it.sig, &it.block);
        visit::visit_item_fn(self, it);
    }

    fn visit_impl_item_fn(&mut self, it: &'a syn::ImplItemFn) {
        self.function(&it.sig, &it.block);
        visit::visit_impl_item_fn(self, it);
    }

    fn visit_trait_item_fn(&mut self, it: &'a syn::TraitItemFn) {
        it.default.iter().for_each(|block| self.function(&it.sig, block));
        visit::visit_trait_item_fn(self, it);
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|it| it.ident.to_string()).collect()
}

fn is_first_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(it) if it.as_char() == ':' && it.spacing() == Spacing::Joint)
}

/// `#[cfg(test)]`, `#[cfg(all(test, ...))]`, `#[test]`; `any` and `not` also compile without tests.
fn is_for_tests(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
    let text = list.tokens.to_string().replace(' ', "");
    attribute.path().is_ident("cfg")
        && (text == "test"
            || text.strip_prefix("all(test").is_some_and(|it| it.starts_with([',', ')'])))
}

fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::ExternCrate(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::ForeignMod(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::TraitAlias(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Union(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}
