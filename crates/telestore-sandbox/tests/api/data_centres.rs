//! More than one data centre: keys, logins and accounts between them.

use grammers_client::{Client, tl};
use telestore_sandbox::{Fault, FaultAction, Sandbox, SandboxUser};

use crate::client::{
    big_file, big_part, connect, connect_to, find_channel, message_id, noise, refused, send_media,
};
use crate::handshake::{Mistakes, Unkeyed, make_key};

const ME: tl::enums::InputUser = tl::enums::InputUser::UserSelf;

/// A sandbox with data centre 4, a key there, and a client that uses it.
async fn start() -> (Sandbox, SandboxUser, Client) {
    let sandbox = Sandbox::builder().data_centre(4).start().await.expect("a sandbox");
    let (user, there) = (sandbox.user(), address(&sandbox).await);
    let key = make_key(there, 4, sandbox.server_key(), &Mistakes::default()).await.expect("a key");
    let client = connect_to(4, there, key, user.api_id);
    (sandbox, user, client)
}

async fn address(sandbox: &Sandbox) -> std::net::SocketAddr {
    sandbox.add_data_centre(4).await.expect("it keeps its address")
}

async fn export(client: &Client, dc_id: i32) -> tl::functions::auth::ImportAuthorization {
    let export = tl::functions::auth::ExportAuthorization { dc_id };
    let exported = client.invoke(&export).await.expect("a login");
    let tl::enums::auth::ExportedAuthorization::Authorization(login) = exported;
    tl::functions::auth::ImportAuthorization { id: login.id, bytes: login.bytes }
}

fn who() -> tl::functions::users::GetUsers {
    tl::functions::users::GetUsers { id: vec![ME] }
}

fn sent_to(dc: i32) -> (i32, String) {
    (303, format!("USER_MIGRATE {dc}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_and_a_login_taken_along() {
    let (sandbox, user, there) = start().await;
    let here = connect(&sandbox, &user);
    let unregistered = (401, "AUTH_KEY_UNREGISTERED".to_owned());
    assert_eq!(refused(there.invoke(&who()).await), unregistered);
    let login = export(&here, 4).await;
    there.invoke(&login).await.expect("the login is good there");
    assert_eq!(refused(there.invoke(&login).await), (400, "AUTH_BYTES_INVALID".to_owned()), "but once only");
    assert_eq!(refused(there.invoke(&who()).await), sent_to(2), "the account lives where it did");
    sandbox.move_account(&user, 4);
    let found = there.invoke(&who()).await.expect("the account");
    assert!(matches!(&found[..], [tl::enums::User::User(found)] if found.id == user.telegram_user_id));
    assert_eq!(refused(here.invoke(&who()).await), sent_to(4));
    let config = tl::functions::help::GetConfig {};
    let tl::enums::Config::Config(config) = here.invoke(&config).await.expect("the addresses, all the same");
    let ids = config.dc_options.iter().map(|tl::enums::DcOption::Option(option)| (option.id, option.port));
    let port = address(&sandbox).await.port();
    assert!(
        ids.eq([sandbox.mtproto_addr(), sandbox.media_addr()]
            .map(|a| (2, a.port().into()))
            .into_iter()
            .chain([(4, port.into())]))
    );
    sandbox.revoke_session(&user);
    assert_eq!(refused(there.invoke(&who()).await), unregistered, "a session ends everywhere");
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_good_for_the_data_centre_it_was_given_out_for() {
    let (sandbox, user, there) = start().await;
    let here = connect(&sandbox, &user);
    let unknown = tl::functions::auth::ExportAuthorization { dc_id: 5 };
    assert_eq!(refused(here.invoke(&unknown).await), (400, "DC_ID_INVALID".to_owned()));
    let own = tl::functions::auth::ExportAuthorization { dc_id: 2 };
    assert_eq!(refused(here.invoke(&own).await), (400, "DC_ID_INVALID".to_owned()), "it needs none");
    sandbox.add_data_centre(5).await.expect("another data centre");
    let for_another = export(&here, 5).await;
    assert_eq!(refused(there.invoke(&for_another).await), (400, "AUTH_BYTES_INVALID".to_owned()));
    // So is a key: the transport says that it is unknown.
    let stranger = connect_to(4, address(&sandbox).await, user.auth_key_bytes(), user.api_id);
    assert!(stranger.invoke(&who()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_stay_in_the_data_centre_that_got_them() {
    let (sandbox, user, there) = start().await;
    let here = connect(&sandbox, &user);
    let peer = find_channel(&here, &user).await;
    for index in 0..2 {
        here.invoke(&big_part(7, index, 2, noise(1024, 1))).await.expect("a part");
    }
    there.invoke(&export(&here, 4).await).await.expect("the login is good there");
    sandbox.move_account(&user, 4);
    let send = send_media(peer, big_file(7, 2), 70);
    assert_eq!(refused(here.invoke(&send).await), sent_to(4));
    assert_eq!(refused(there.invoke(&send).await), (400, "FILE_PART_MISSING 0".to_owned()));
    for index in 0..2 {
        there.invoke(&big_part(7, index, 2, noise(1024, 1))).await.expect("a part");
    }
    let sent = message_id(&there.invoke(&send).await.expect("the channel is the same one there"));
    sandbox.move_account(&user, 2);
    assert_eq!(message_id(&here.invoke(&send).await.expect("the earlier message")), sent);
    assert_eq!(sandbox.messages_of(&user).len(), 1);
}

#[tokio::test]
async fn a_client_that_makes_mistakes_gets_no_key() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let make = async |mistakes| make_key(sandbox.mtproto_addr(), 2, sandbox.server_key(), &mistakes).await;
    assert!(make(Mistakes::default()).await.is_ok());
    for mistakes in [
        Mistakes { factors: true, ..Mistakes::default() },
        Mistakes { encryption: true, ..Mistakes::default() },
        Mistakes { data_centre: true, ..Mistakes::default() },
        Mistakes { nonce: true, ..Mistakes::default() },
        Mistakes { half: true, ..Mistakes::default() },
    ] {
        assert_eq!(make(mistakes).await, Err(-404));
    }
    let mut hasty = Unkeyed::connect(sandbox.mtproto_addr()).await;
    let (nonce, server_nonce) = ([0; 16], [0; 16]);
    let end = tl::functions::SetClientDhParams { nonce, server_nonce, encrypted_data: vec![0; 320] };
    assert_eq!(hasty.call(&end).await.err(), Some(-404));
}

#[tokio::test]
async fn another_half_of_the_key_can_be_asked_for() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    sandbox.faults().inject(Fault::new("set_client_DH_params", FaultAction::ReturnFalse).times(3));
    let key = make_key(sandbox.mtproto_addr(), 2, sandbox.server_key(), &Mistakes::default()).await;
    assert!(key.is_ok());
    assert_eq!(sandbox.stats().calls("set_client_DH_params"), 4);
}

#[tokio::test]
async fn a_stopped_data_centre_is_named_and_not_there() {
    let sandbox = Sandbox::builder().data_centre(4).start().await.expect("a sandbox");
    let there = address(&sandbox).await;
    sandbox.stop_data_centre(4).await;
    assert!(tokio::net::TcpStream::connect(there).await.is_err());
    assert_eq!(sandbox.describe()["data_centres"][0]["address"], there.to_string());
    sandbox.shutdown().await;
}
