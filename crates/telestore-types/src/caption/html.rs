//! Reads a template: Telegram's HTML (<https://core.telegram.org/bots/api#html-style>) with placeholders.

use super::EntityKind;
use super::piece::{Piece, Placeholder, TemplateError};

/// How many entities a message may have: <https://core.telegram.org/bots/api#formatting-options>.
const MAX_TAGS: usize = 100;

/// What separates the attributes of a tag.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

pub(super) fn parse(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut parser = Parser { whole: text, rest: text, pieces: Vec::new(), open: Vec::new(), tags: 0 };
    while let Some(c) = parser.rest.chars().next() {
        match c {
            '<' => parser.tag()?,
            '{' => parser.placeholder()?,
            '}' => return Err(TemplateError::Placeholder(parser.at())),
            _ => parser.text(),
        }
    }
    if parser.open.is_empty() { Ok(parser.pieces) } else { Err(TemplateError::Unended) }
}

struct Parser<'a> {
    whole: &'a str,
    rest: &'a str,
    pieces: Vec<Piece>,
    /// What is open: the name of the tag, and what it makes.
    open: Vec<(&'a str, EntityKind)>,
    tags: usize,
}

impl<'a> Parser<'a> {
    /// Which character comes next, from 1.
    fn at(&self) -> usize {
        let read = self.whole.len() - self.rest.len();
        self.whole[..read].chars().count() + 1
    }

    fn text(&mut self) {
        let end = self.rest.find(['<', '{', '}']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.pieces.push(Piece::Text(decoded(text)));
        self.rest = rest;
    }

    fn placeholder(&mut self) -> Result<(), TemplateError> {
        let at = self.at();
        let found = self.rest[1..].split_once('}');
        let found = found.and_then(|(name, rest)| Some((Placeholder::parse(name)?, rest)));
        let (placeholder, rest) = found.ok_or(TemplateError::Placeholder(at))?;
        self.pieces.push(Piece::Value(placeholder));
        self.rest = rest;
        Ok(())
    }

    fn tag(&mut self) -> Result<(), TemplateError> {
        let at = self.at();
        let inner = &self.rest[1..];
        let end = end_of_tag(inner).ok_or(TemplateError::Tag(at))?;
        let tag = &inner[..end];
        self.rest = &inner[end + 1..];
        match tag.strip_prefix('/') {
            Some(name) => self.ended(name.trim_end_matches(BLANKS), at),
            None => self.started(tag, at),
        }
    }

    fn ended(&mut self, name: &str, at: usize) -> Result<(), TemplateError> {
        match self.open.pop() {
            Some((open, _)) if open.eq_ignore_ascii_case(name) => {}
            _ => return Err(TemplateError::Misplaced(at)),
        }
        self.pieces.push(Piece::End);
        Ok(())
    }

    fn started(&mut self, tag: &'a str, at: usize) -> Result<(), TemplateError> {
        let (name, attributes) = tag.split_once(BLANKS).unwrap_or((tag, ""));
        let kind = self.kind(name, attributes, at)?;
        let is_code = |kind: &EntityKind| matches!(kind, EntityKind::Code | EntityKind::Pre { .. });
        let alike =
            |(_, open): &(_, EntityKind)| std::mem::discriminant(open) == std::mem::discriminant(&kind);
        // What Telegram does not take within each other, it drops without a word.
        if self.open.iter().any(|open| is_code(&open.1) || alike(open)) {
            return Err(TemplateError::Misplaced(at));
        }
        self.tags += 1;
        if self.tags > MAX_TAGS {
            return Err(TemplateError::ManyTags);
        }
        self.pieces.push(Piece::Start(kind.clone()));
        self.open.push((name, kind));
        Ok(())
    }

    fn kind(&self, name: &str, attributes: &str, at: usize) -> Result<EntityKind, TemplateError> {
        let attribute = |wanted| Attributes(attributes).find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let value = |wanted| attribute(wanted).map(|(_, value)| value).unwrap_or_default();
        Ok(match name.to_ascii_lowercase().as_str() {
            "b" | "strong" => EntityKind::Bold,
            "i" | "em" => EntityKind::Italic,
            "u" | "ins" => EntityKind::Underline,
            "s" | "strike" | "del" => EntityKind::Strike,
            "tg-spoiler" | "spoiler" => EntityKind::Spoiler,
            "span" if value("class") == "tg-spoiler" => EntityKind::Spoiler,
            "code" => EntityKind::Code,
            "pre" => EntityKind::Pre { language: value("language") },
            "blockquote" => EntityKind::Blockquote { collapsed: attribute("expandable").is_some() },
            "a" => EntityKind::Link { url: link(value("href")).ok_or(TemplateError::Link(at))? },
            _ => return Err(TemplateError::Tag(at)),
        })
    }
}

/// Where the `>` is that ends a tag; those in quotes end none.
fn end_of_tag(inner: &str) -> Option<usize> {
    let mut quote = None;
    inner.char_indices().find_map(|(at, c)| match (quote, c) {
        (None, '>') => Some(at),
        (None, '"' | '\'') => {
            quote = Some(c);
            None
        }
        (Some(open), c) if open == c => {
            quote = None;
            None
        }
        _ => None,
    })
}

/// An address that Telegram makes a link of.
fn link(url: String) -> Option<String> {
    let leads = ["http://", "https://", "tg://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    (leads && !url.contains(['{', '}'])).then_some(url)
}

/// The attributes of a tag, each with its value; empty if it has none.
struct Attributes<'a>(&'a str);

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_start_matches(BLANKS);
        if text.is_empty() {
            return None;
        }
        let name_end = text.find(['=', ' ', '\t', '\n', '\r']).unwrap_or(text.len());
        let (name, rest) = text.split_at(name_end);
        let Some(rest) = rest.trim_start_matches(BLANKS).strip_prefix('=') else {
            self.0 = rest;
            return Some((name, String::new()));
        };
        let rest = rest.trim_start_matches(BLANKS);
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, rest) = match quote {
            Some(quote) => rest[1..].split_once(quote).unwrap_or((&rest[1..], "")),
            None => rest.split_once(BLANKS).unwrap_or((rest, "")),
        };
        self.0 = rest;
        Some((name, decoded(value)))
    }
}

/// The text with what `&…;` stands for; what stands for nothing is left as it is, as Telegram does.
fn decoded(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        decoded.push_str(before);
        match behind.split_once(';').and_then(|(name, after)| Some((meant(name)?, after))) {
            Some((c, after)) => {
                decoded.push(c);
                rest = after;
            }
            None => {
                decoded.push('&');
                rest = behind;
            }
        }
    }
    decoded + rest
}

fn meant(name: &str) -> Option<char> {
    match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "quot" => return Some('"'),
        _ => {}
    }
    let number = name.strip_prefix('#')?;
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // A sign would be read, too.
    let all = digits.chars().all(|c| c.is_digit(radix));
    u32::from_str_radix(digits, radix).ok().filter(|_| all).and_then(char::from_u32).filter(|c| *c != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    #[test]
    fn each_tag_of_telegram_is_known_by_all_its_names() {
        let link = |url: &str| EntityKind::Link { url: url.to_owned() };
        let pre = |language: &str| EntityKind::Pre { language: language.to_owned() };
        for (written, kind) in [
            ("<b>x</b>", EntityKind::Bold),
            ("<STRONG>x</strong >", EntityKind::Bold),
            ("<em>x</em>", EntityKind::Italic),
            ("<ins>x</ins>", EntityKind::Underline),
            ("<del>x</del>", EntityKind::Strike),
            ("<tg-spoiler>x</tg-spoiler>", EntityKind::Spoiler),
            ("<span class=\"tg-spoiler\">x</span>", EntityKind::Spoiler),
            ("<code>x</code>", EntityKind::Code),
            ("<pre>x</pre>", pre("")),
            ("<pre language='rust'>x</pre>", pre("rust")),
            ("<blockquote>x</blockquote>", EntityKind::Blockquote { collapsed: false }),
            ("<blockquote expandable>x</blockquote>", EntityKind::Blockquote { collapsed: true }),
            ("<a href=\"https://a.example/?x=1&amp;y=>\">x</a>", link("https://a.example/?x=1&y=>")),
            ("<a class=c HREF = tg://user?id=5 >x</a>", link("tg://user?id=5")),
        ] {
            assert_eq!(parse(written), Ok(vec![Piece::Start(kind), text("x"), Piece::End]), "{written}");
        }
    }

    #[test]
    fn characters_are_meant_by_their_names_and_numbers() {
        for (written, meant) in [
            ("&lt;b&gt; &amp;amp; &quot;", "<b> &amp; \""),
            ("&#123;size&#x7D;", "{size}"),
            ("a & b; &c &nbsp; &#x110000; &#0; &#+5; &;", "a & b; &c &nbsp; &#x110000; &#0; &#+5; &;"),
            ("&#x1F44D;", "👍"),
        ] {
            assert_eq!(parse(written), Ok(vec![text(meant)]), "{written}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        use TemplateError::{Link, Misplaced, Placeholder, Tag, Unended};
        for (written, error) in [
            ("é{name}", Placeholder(2)),
            ("{ size }", Placeholder(1)),
            ("{size", Placeholder(1)),
            ("{}", Placeholder(1)),
            ("size}", Placeholder(5)),
            ("{{size}}", Placeholder(1)),
            ("I <3 you", Tag(3)),
            ("<h1>x</h1>", Tag(1)),
            ("<span>x</span>", Tag(1)),
            ("<>", Tag(1)),
            ("<b>x", Unended),
            ("x</b>", Misplaced(2)),
            ("<b>x</i>", Misplaced(5)),
            ("<b><strong>x</strong></b>", Misplaced(4)),
            ("<code><b>x</b></code>", Misplaced(7)),
            ("<a>x</a>", Link(1)),
            ("<a href=\"javascript:alert(1)\">x</a>", Link(1)),
            ("<a href=\"https://{userId}\">x</a>", Link(1)),
            ("<a href=\"https://a.example>x</a>", Tag(1)),
        ] {
            assert_eq!(parse(written), Err(error), "{written}");
        }
        assert_eq!(parse(&"<b>x</b>".repeat(MAX_TAGS)).map(|pieces| pieces.len()), Ok(3 * MAX_TAGS));
        assert_eq!(parse(&"<b>x</b>".repeat(MAX_TAGS + 1)), Err(TemplateError::ManyTags));
    }
}
