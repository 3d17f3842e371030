//! What a tool says when the thing asked for does not exist.
//!
//! Some clients ignore the error flag of a result and show the text alone, so the text itself says that it is an
//! error and what to do next. It names only what the caller sent: nothing of other people's rows.

use crate::tool::ToolError;

/// No user has this id.
pub(crate) fn user(id: &str) -> ToolError {
    ToolError::NotFound(format!(
        "错误：没有ID为 {id} 的用户。请先用 search_users 按姓名、电话或邮箱查到正确的用户ID，再重新调用。 / \
         Error: there is no user with id {id}. Find the right id with search_users (by name, phone or e-mail), then call again."
    ))
}

/// The user exists and is no customer.
pub(crate) fn customer_role(id: &str, roles: &[String]) -> ToolError {
    let roles = if roles.is_empty() { "-".to_owned() } else { roles.join(", ") };
    ToolError::NotFound(format!(
        "错误：用户 {id} 不是客户（角色：{roles}），没有客户数据。请改用客户的用户ID，可用 search_users 查找。 / \
         Error: user {id} is not a customer (roles: {roles}) and has no customer data. Use a customer's user id; search_users finds it."
    ))
}

/// No consultation has this id.
pub(crate) fn consultation(id: &str) -> ToolError {
    ToolError::NotFound(format!(
        "错误：没有ID为 {id} 的咨询记录。请用 get_consultation_history 查到正确的ID，或去掉 consultation_id 后重试。 / \
         Error: there is no consultation with id {id}. Find the right id with get_consultation_history, or leave consultation_id out."
    ))
}

/// No conversation has this id.
pub(crate) fn conversation(id: &str) -> ToolError {
    ToolError::NotFound(format!(
        "错误：没有ID为 {id} 的会话。请改用 user_id 参数取该客户最近的会话，或核对会话ID。 / \
         Error: there is no conversation with id {id}. Pass user_id instead for the customer's latest conversation, or check the id."
    ))
}

/// The user has no conversation.
pub(crate) fn conversation_of(user_id: &str) -> ToolError {
    ToolError::NotFound(format!(
        "错误：用户 {user_id} 还没有任何会话，因此没有消息可读。可用 get_consultation_history 查看其到店记录。 / \
         Error: user {user_id} has no conversation yet, so there are no messages to read. get_consultation_history shows their visits."
    ))
}
