//! Who a login belongs to.

use std::fmt;

use grammers_tl_types as tl;

use crate::answers::{Ask, Object, Objects, Result, SHORT};
use crate::{Calls, Error};

/// How much of a name is kept, in characters. Telegram's have at most 64 twice.
const NAME_MAX: usize = 129;

/// How many digits of a phone number are kept: enough for its owner to know it, and for nobody to call it.
const DIGITS_KEPT: usize = 4;

/// A person or a bot, as Telegram shows it to itself.
///
/// `Display` says who it is in one line, such as `Alice (@alice, id 5100000000, phone …0001), a person with Premium`. Names are
/// its owner's choice: show them through [`Shown`](telestore_types::Shown) if the line goes to a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The number that Telegram knows it by.
    pub id: i64,
    /// First and last name.
    pub name: String,
    /// The public name, without its `@`.
    pub username: Option<String>,
    /// The last four digits of the phone number. No more of it is kept.
    pub phone_end: Option<String>,
    /// Whether it is a bot.
    pub bot: bool,
    /// Whether it has Telegram Premium.
    pub premium: bool,
}

impl User {
    /// Reads a serialised `User` of the schema.
    ///
    /// # Errors
    /// If it is none, or is cut off.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        Self::of(&Object::of("User", bytes)?).ok_or_else(|| "it is nobody".to_owned())
    }

    fn of(user: &Object<'_>) -> Option<Self> {
        let text = |name| user.text(name).map(|text| String::from_utf8_lossy(text).into_owned());
        let names: Vec<_> = [text("first_name"), text("last_name")].into_iter().flatten().collect();
        let phone = text("phone").unwrap_or_default();
        let end = phone.char_indices().rev().nth(DIGITS_KEPT - 1).map(|(at, _)| phone[at..].to_owned());
        Some(Self {
            id: user.long("id").filter(|_| user.is("user"))?,
            name: names.join(" ").trim().chars().take(NAME_MAX).collect(),
            username: text("username").map(|name| name.chars().take(NAME_MAX).collect()),
            phone_end: end,
            bot: user.has("bot"),
            premium: user.has("premium"),
        })
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "somebody without a name" } else { &self.name };
        write!(f, "{name} (")?;
        self.username.iter().try_for_each(|username| write!(f, "@{username}, "))?;
        write!(f, "id {}", self.id)?;
        self.phone_end.iter().try_for_each(|end| write!(f, ", phone …{end}"))?;
        f.write_str(match (self.bot, self.premium) {
            (true, _) => "), a bot",
            (false, true) => "), a person with Premium",
            (false, false) => "), a person without Premium",
        })
    }
}

impl Ask for tl::functions::users::GetUsers {
    type Answer = Vec<User>;

    const ANSWER_MAX: usize = SHORT;

    fn read(&self, answer: &[u8]) -> Result<Vec<User>> {
        Ok(Objects::of("User", answer)?.take(self.id.len()).filter_map(|user| User::of(&user)).collect())
    }
}

impl Calls<'_> {
    /// Whose login this is.
    ///
    /// # Errors
    /// Those of a call.
    pub async fn own_user(&self) -> crate::Result<User> {
        let own = tl::functions::users::GetUsers { id: vec![tl::enums::InputUser::UserSelf] };
        let found = self.call(&own).await?.into_iter().next();
        found.ok_or_else(|| Error::lost("Telegram does not say whose session this is"))
    }
}

#[cfg(test)]
mod tests {
    use grammers_tl_types::{Deserializable, Serializable, enums, types};

    use super::*;

    fn user(change: impl FnOnce(&mut types::User)) -> enums::User {
        let mut fields = [0; 8].to_vec();
        fields.extend(5_100_000_000_i64.to_le_bytes());
        let mut user = types::User::from_bytes(&fields).expect("the mandatory fields");
        change(&mut user);
        enums::User::User(user)
    }

    #[test]
    fn says_who_it_is_and_little_of_its_number() {
        let alice = user(|user| {
            user.first_name = Some("Alice".to_owned());
            user.last_name = Some("Smith".to_owned());
            user.username = Some("alice".to_owned());
            user.phone = Some("9996620001".to_owned());
            user.premium = true;
        });
        let read = User::read(&alice.to_bytes()).expect("a user");
        let line = "Alice Smith (@alice, id 5100000000, phone …0001), a person with Premium";
        assert_eq!(read.to_string(), line);
        assert!(!format!("{read:?}").contains("999662"));
        let bot = user(|user| {
            (user.bot, user.bot_info_version) = (true, Some(1));
            user.username = Some("a_bot".to_owned());
        });
        let read = User::read(&bot.to_bytes()).expect("a bot");
        assert_eq!(read.to_string(), "somebody without a name (@a_bot, id 5100000000), a bot");
        let short = user(|user| user.phone = Some("12".to_owned()));
        assert_eq!(User::read(&short.to_bytes()).expect("a user").phone_end, None);
    }

    #[test]
    fn nobody_is_no_user_and_long_names_are_cut() {
        let nobody = enums::User::Empty(types::UserEmpty { id: 7 });
        assert!(User::read(&nobody.to_bytes()).is_err() && User::read(&[1, 2, 3]).is_err());
        let long = user(|user| user.first_name = Some("ä".repeat(100_000)));
        assert_eq!(User::read(&long.to_bytes()).expect("a user").name.chars().count(), NAME_MAX);
        let ask = tl::functions::users::GetUsers { id: vec![enums::InputUser::UserSelf] };
        let many = vec![user(|_| ()), user(|_| ()), user(|_| ())].to_bytes();
        assert_eq!(ask.read(&many).expect("users").len(), 1, "more than were asked for");
        assert!(ask.read(&many[..many.len() - 4]).is_err() && ask.read(b"nothing").is_err());
    }
}
