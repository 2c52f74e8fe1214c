use telestore_types::Secret;

use super::*;

fn bots<const N: usize>() -> [Sender; N] {
    std::array::from_fn(|number| Sender::bot(Secret::new(format!("{}:secret", number + 1))))
}

fn chat() -> ChatId {
    ChatId::new("-1001").unwrap()
}

fn flood(seconds: u64) -> Error {
    Error::new(ErrorKind::FloodWait(Duration::from_secs(seconds)), "wait")
}

#[tokio::test(start_paused = true)]
async fn files_are_spread_by_load_and_in_turns() {
    let (pool, bots) = (Pool::default(), bots::<3>());
    let take = || {
        let bot = pool.choose(&bots, &chat()).unwrap();
        (bot.id.to_string(), pool.begin(bot))
    };
    let first: Vec<_> = (0..3).map(|_| take()).collect();
    assert_eq!(first.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["bot:1", "bot:2", "bot:3"]);
    let mut sending: Vec<_> = first.into_iter().map(|(_, sending)| sending).collect();
    drop(sending.remove(1));
    let (id, fourth) = take();
    assert_eq!(id, "bot:2", "the one that has nothing to do");
    drop((sending, fourth));
    assert_eq!(take().0, "bot:1", "all are free: the one that was begun with longest ago");
    assert_eq!(take().0, "bot:3");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_passed_over_until_the_wait_is_over() {
    let (pool, bots) = (Pool::default(), bots::<2>());
    pool.note(&bots[0], &chat(), Some(&flood(300)));
    let busy = pool.begin(&bots[1]);
    assert_eq!(pool.choose(&bots, &chat()), Some(&bots[1]), "one that sends rather than one that waits");
    assert_eq!(pool.opens_in(&bots, &chat()), Some(Duration::ZERO));
    pool.note(&bots[1], &chat(), Some(&flood(400)));
    assert_eq!(pool.choose(&bots, &chat()), Some(&bots[0]), "the one whose wait is over first");
    assert_eq!(pool.opens_in(&bots, &chat()), Some(Duration::from_secs(300)));
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(pool.closure(&bots[0], &chat()), None);
    drop(busy);
    pool.note(&bots[1], &chat(), None);
    assert_eq!(pool.closure(&bots[1], &chat()), None, "it has just sent a file");
}

#[tokio::test(start_paused = true)]
async fn rights_are_of_a_chat_and_tokens_are_not() {
    let (pool, bots, elsewhere) = (Pool::default(), bots::<1>(), ChatId::new("-1002").unwrap());
    let why = |chat: &ChatId| pool.closure(&bots[0], chat).map(|closure| closure.why);
    pool.note(&bots[0], &chat(), Some(&Error::channel_unresolved()));
    assert_eq!((why(&chat()), why(&elsewhere)), (Some(Why::Rights), None));
    assert_eq!(pool.opens_in(&bots, &chat()), None, "no time mends that");
    tokio::time::advance(NO_RIGHTS).await;
    assert_eq!(why(&chat()), None, "it is looked at again");
    pool.note(&bots[0], &chat(), Some(&Error::not_authorized()));
    assert_eq!((why(&chat()), why(&elsewhere)), (Some(Why::Login), Some(Why::Login)));
    let of_file = Error::new(ErrorKind::Rejected, "no");
    assert_eq!(Why::of(&of_file), None, "another sender would hear the same");
}

#[tokio::test(start_paused = true)]
async fn what_is_begun_waits_for_its_sender_if_that_takes_not_long() {
    let (pool, bots) = (Pool::new(Duration::from_secs(30)), bots::<1>());
    let waits = |error: &Error| {
        pool.note(&bots[0], &chat(), Some(error));
        pool.waits_for(&bots[0], &chat())
    };
    assert!(waits(&flood(30)) && waits(&Error::new(ErrorKind::LoginBusy, "another has it")));
    assert!(!waits(&flood(31)) && !waits(&Error::channel_unresolved()));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_says_nothing_of_the_bot_whose_number_it_has() {
    let (pool, [bot]) = (Pool::default(), bots());
    let wrong = Sender::bot(Secret::new("1:guessed"));
    assert_eq!(wrong.id, bot.id);
    pool.note(&wrong, &chat(), Some(&Error::not_authorized()));
    assert_eq!(pool.closure(&bot, &chat()), None);
    assert_eq!(pool.bots(), Counts { refused: 1, ..Counts::default() });
    let _sending = pool.begin(&bot);
    assert_eq!(pool.bots(), Counts { refused: 1, busy: 1, ..Counts::default() });
}

#[tokio::test(start_paused = true)]
async fn no_more_are_remembered_than_there_is_room_for() {
    let (pool, [bot]) = (Pool::default(), bots());
    let _sending = pool.begin(&bot);
    for number in 0..2 * MAX_SENDERS {
        let other = Sender::bot(Secret::new(format!("7:{number}")));
        pool.note(&other, &chat(), Some(&flood(300)));
    }
    assert!(pool.lock().known.len() <= MAX_SENDERS);
    assert_eq!(pool.bots().busy, 1, "those that send are not forgotten");
    for number in 0..2 * MAX_CHATS as i64 {
        let chat = ChatId::of_channel(number + 1).unwrap();
        pool.note(&bot, &chat, Some(&Error::channel_unresolved()));
    }
    assert_eq!(pool.lock().known[&bot.digest()].chats.len(), MAX_CHATS);
}
