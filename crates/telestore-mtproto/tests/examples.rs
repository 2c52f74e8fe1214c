//! The examples do what they say.

#[allow(dead_code, reason = "its main is not called")]
#[path = "../examples/read_message.rs"]
mod read_message;

#[tokio::test]
async fn a_message_is_read_without_the_uploader() {
    let message = read_message::read().await.unwrap();
    assert!(message.own && message.date.is_some());
    assert_eq!(message.text, "a greeting");
    let document = message.document.expect("a file");
    assert_eq!((document.size, document.mime_type.as_str()), (14, "text/plain"));
    assert_eq!(document.file_name.as_deref(), Some("hello.txt"));
}
