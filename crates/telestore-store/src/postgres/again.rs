//! Calls that are made again if the server, or another worker, got in their way.

/// Makes a transaction, which gives an [`Answer`], until it goes well; `$now` is the caller's clock, if the call has it.
macro_rules! transact {
    ($store:expr, $ending:expr, $now:expr, |$tx:ident| $rule:expr) => {{
        let mut tries = $crate::postgres::fault::Tries::default();
        loop {
            let begun = $crate::postgres::tx::Tx::begin($store, $ending, $now).await;
            let done = match begun {
                Ok(mut begun) => {
                    let $tx = &mut begun;
                    let answer = $crate::postgres::tx::in_time(async { $rule }).await;
                    begun.end(answer).await
                }
                Err(error) => Err(error),
            };
            match done {
                Err(error) if tries.again(&error).await => {}
                done => break done,
            }
        }
    }};
}

/// Asks a question, again if the connection was cut.
macro_rules! ask {
    ($store:expr, |$on:ident| $question:expr) => {{
        let mut tries = $crate::postgres::fault::Tries::default();
        loop {
            let asked = async {
                let mut lent = $crate::postgres::tx::Lent::to_read($store).await?;
                let $on = &mut *lent;
                let answer = $question;
                lent.back(answer).await
            };
            match $crate::postgres::tx::in_time(asked).await {
                Err(error) if tries.again(&error).await => {}
                answered => break answered,
            }
        }
    }};
}

pub(super) use {ask, transact};
