//! Every sentence of the pages, in both languages side by side.

use super::page::{Language, Trouble};
use crate::gate::oauth::request::Unanswerable;

/// The fixed sentences of one language.
pub(super) struct Texts {
    pub(super) lang: &'static str,
    pub(super) title: &'static str,
    pub(super) other_language: &'static str,
    pub(super) asks: &'static str,
    pub(super) answer_goes_to: &'static str,
    pub(super) known_by: &'static str,
    pub(super) unverified: &'static str,
    pub(super) local: &'static str,
    pub(super) plain_http: &'static str,
    pub(super) group: &'static str,
    pub(super) any_group: &'static str,
    pub(super) may: &'static str,
    pub(super) may_read: &'static str,
    pub(super) may_write: &'static str,
    pub(super) prove: &'static str,
    pub(super) with_key: &'static str,
    pub(super) key: &'static str,
    pub(super) with_account: &'static str,
    pub(super) login: &'static str,
    pub(super) password: &'static str,
    pub(super) one_time_code: &'static str,
    pub(super) one_time_code_help: &'static str,
    pub(super) group_code: &'static str,
    pub(super) allow: &'static str,
    pub(super) deny: &'static str,
    pub(super) minutes: &'static str,
    pub(super) refused: &'static str,
    pub(super) close: &'static str,
    language: Language,
}

static ZH: Texts = Texts {
    lang: "zh-CN",
    title: "授权访问",
    other_language: "English",
    asks: "请求使用这里的工具：",
    answer_goes_to: "同意后，您将返回：",
    known_by: "客户端标识：",
    unverified: "名称由客户端自行填写，未经核实。如果不是您本人刚刚发起的请求，请拒绝。",
    local: "将返回到您这台电脑上的程序。本机的任何程序都可能冒充它：只有在您刚刚从自己电脑上的应用发起连接时才同意。",
    plain_http: "返回地址未加密：授权码会以明文经过网络。",
    group: "工具组：",
    any_group: "由您提供的密钥或账号决定",
    may: "允许",
    may_read: "查看工具列表，调用只读取数据的工具",
    may_write: "调用会保存数据的工具（如保存咨询总结、治疗方案、认领客户）",
    prove: "请证明您有权使用该工具组：",
    with_key: "用工具组的密钥",
    key: "密钥（mcp_key_…）",
    with_account: "用账号",
    login: "登录名",
    password: "密码",
    one_time_code: "验证码",
    one_time_code_help: "启用了两步验证的账号必填：验证器上的六位数字，或一个恢复码。其他账号留空。每个码只能使用一次。",
    group_code: "工具组编码（可留空）",
    allow: "同意",
    deny: "拒绝",
    minutes: "分钟内有效。",
    refused: "无法授权",
    close: "请关闭本页，回到应用中重试。",
    language: Language::Zh,
};

static EN: Texts = Texts {
    lang: "en",
    title: "Grant access",
    other_language: "中文",
    asks: "asks to use tools here:",
    answer_goes_to: "If you allow it, you go back to:",
    known_by: "Known by:",
    unverified: "The client chose this name itself; nobody has verified it. If you did not start this a moment ago, deny it.",
    local: "The answer goes to a program on your own computer. Any program there could pretend to be this one: allow it only if you have just started connecting from an app on this computer.",
    plain_http: "The way back is not encrypted: the code crosses the network in the clear.",
    group: "Group of tools:",
    any_group: "decided by your key or account",
    may: "It may",
    may_read: "list tools, and call those that only read",
    may_write: "call tools that store something (summaries of consultations, treatment plans, claiming a customer)",
    prove: "Prove your right to this group of tools:",
    with_key: "With the group's key",
    key: "Key (mcp_key_…)",
    with_account: "With an account",
    login: "Login",
    password: "Password",
    one_time_code: "One-time code",
    one_time_code_help: "For accounts with a second factor: the six digits of the telephone, or a recovery code. Others leave it empty. Each code counts once.",
    group_code: "Code of the group (may be left empty)",
    allow: "Allow",
    deny: "Deny",
    minutes: "minutes to answer.",
    refused: "Access cannot be granted",
    close: "Close this page, go back to the app, and try again.",
    language: Language::En,
};

impl Texts {
    /// Those of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::Zh => &ZH,
            Language::En => &EN,
        }
    }

    fn choose(&self, zh: impl Into<String>, en: impl Into<String>) -> String {
        match self.language {
            Language::Zh => zh.into(),
            Language::En => en.into(),
        }
    }

    /// What is wrong with an answer.
    pub(super) fn trouble(&self, trouble: &Trouble) -> String {
        match trouble {
            Trouble::OtherPage => self.choose(
                "表单不是从本页面提交的。若服务在反向代理之后，请管理员检查 mcp.public_url 是否为浏览器所用的地址。",
                "The form was not sent by this page. If a proxy is in front, an operator must set mcp.public_url to the address that browsers use.",
            ),
            Trouble::BadForm => self.choose("表单已损坏或不是由本服务生成的。", "The form is damaged, or was not made here."),
            Trouble::Expired => self.choose("页面已过期。", "The page has expired."),
            Trouble::OtherBrowser => self.choose(
                "该页面属于另一个浏览器会话，或浏览器禁用了 Cookie。",
                "The page belongs to another browser session, or the browser refuses cookies.",
            ),
            Trouble::Answered => self.choose("该请求已经处理过。", "This request has been answered already."),
            Trouble::WrongKey => self.choose("密钥不正确。", "The key is not right."),
            Trouble::WrongLogin => self.choose(
                "登录名或密码不正确。若账号启用了两步验证，还须填写未用过的验证码。",
                "The login or the password is not right. An account with a second factor also needs a code that was not used before.",
            ),
            Trouble::NoRight => self.choose(
                "该账号无权使用所请求的工具组（角色与等级须在该组允许的范围内）。",
                "This account has no right to the group asked for: its role and tier must be among those of the group.",
            ),
            Trouble::WhichGroup(codes) => self.choose(
                format!("该账号可使用多个工具组，请填写其中一个编码：{}", codes.join("、")),
                format!("This account may use several groups; fill in the code of one: {}", codes.join(", ")),
            ),
            Trouble::Disabled => self.choose("该工具组已停用。", "The group is disabled."),
            Trouble::Wait(seconds) => {
                self.choose(format!("尝试次数过多，请 {seconds} 秒后再试。"), format!("Too many attempts. Try again in {seconds} seconds."))
            }
            Trouble::Unavailable => self.choose("暂时无法处理，请稍后再试。", "This cannot be worked on at the moment. Try again shortly."),
        }
    }

    /// Why there is no consent page.
    pub(super) fn refusal(&self, why: &Unanswerable) -> String {
        match why {
            Unanswerable::NoClient => self.choose("请求缺少 client_id。", "The request has no client_id."),
            Unanswerable::UnknownClient => self.choose(
                "未知的客户端。它可能已过期：请在应用中断开后重新连接。",
                "Nobody knows this client. It may have been forgotten: disconnect in the app and connect again.",
            ),
            Unanswerable::RevokedClient => self.choose("该客户端已被管理员停用。", "An operator has shut this client out."),
            Unanswerable::Document(text) => {
                self.choose(format!("无法使用该客户端的说明文档：{text}"), format!("The document about this client is no use: {text}"))
            }
            Unanswerable::NoRedirect => self.choose("请求缺少 redirect_uri。", "The request has no redirect_uri."),
            Unanswerable::OtherRedirect => self.choose(
                "redirect_uri 不是该客户端登记的地址，因此不会跳转。",
                "The redirect_uri is not one that this client registered, so nobody is sent there.",
            ),
            Unanswerable::Repeated(name) => {
                self.choose(format!("参数 {name} 出现了多次。"), format!("The parameter {name} came more than once."))
            }
            Unanswerable::State => self.choose("参数 state 过长。", "The parameter state is too long."),
            Unanswerable::Busy(seconds) => {
                self.choose(format!("请求过于频繁，请 {seconds} 秒后再试。"), format!("Too many requests. Try again in {seconds} seconds."))
            }
            Unanswerable::Unavailable => {
                self.choose("暂时无法处理，请稍后再试。", "This cannot be worked on at the moment. Try again shortly.")
            }
        }
    }
}
