//! What the keys of the configuration mean in Chinese: for the panel. The file itself, its sample and its manual page
//! are in English.

use super::{Bilingual, KeyInfo};

/// Keys with their meanings.
const MEANINGS: &[(&str, &str)] = &[
    ("data_dir", "数据库与主密钥所在目录，首次启动时以 0700 权限创建。"),
    ("language", "对人显示的语言；未设置时按终端语言（LANG），否则为 zh-CN。"),
    ("mcp.listen", "MCP 客户端连接的地址与端口；地址相同的几个部分共用一个监听。"),
    ("mcp.public_url", "客户端访问此监听所用的网址；其主机名始终被接受，路径为反向代理所加的前缀。"),
    ("mcp.allowed_hosts", "接受的 Host 请求头：名称或地址，可带端口；其余一律 403；“*”关闭检查。"),
    ("mcp.allowed_origins", "可以调用的网页来源（Origin）；为空时只接受来自已允许主机的网页。"),
    ("mcp.fast_lane", "无状态客户端的 tools/call 与 tools/list 是否走快速通道；结果相同。"),
    ("mcp.legacy_sse", "是否服务 HTTP+SSE（协议 2024-11-05）的客户端。"),
    ("mcp.legacy_sse_streams", "每个密钥可同时打开的 HTTP+SSE 事件流数；超出时应答 429。"),
    ("mcp.subscription_streams", "每个密钥可同时打开的订阅（subscriptions/listen，协议 2026-07-28）数；超出时应答 429。"),
    ("mcp.sessions", "协议 2025-03-26 至 2025-11-25 的客户端以 initialize 开始时是否获得会话。"),
    ("mcp.session_timeout", "会话静默多久后结束；打开的流与进行中的调用不算静默。"),
    ("mcp.max_sessions", "同时的会话数上限；超出时应答 503。一个密钥最多占四分之一，超出时应答 429。"),
    ("mcp.server_name", "客户端在服务器信息中看到的名称。"),
    ("mcp.server_version", "客户端在服务器信息中看到的版本：您的部署版本，而非本程序的版本。"),
    ("mcp.max_body", "请求体的最大字节数；更大时应答 413。"),
    ("mcp.list_ttl", "协议 2026-07-28 的客户端可保留工具列表多久；0s 表示每次都询问。"),
    ("mcp.task_ttl", "任务（比请求更长的调用）自开始起可查询多久。"),
    ("mcp.tasks_per_key", "每个密钥或授权可同时拥有的任务数；0 表示不提供任务。"),
    ("hook.listen", "注册入口监听的地址与端口。"),
    ("hook.allowed_hosts", "注册入口接受的 Host 请求头；“*”关闭检查。"),
    ("hook.max_body", "注册入口请求体的最大字节数。"),
    ("hook.key", "提交注册所用的密钥。"),
    ("hook.key_file", "存放 hook.key 的文件。"),
    ("hook.signing_secrets", "注册请求的签名密钥（Standard Webhooks）。"),
    ("hook.signing_secrets_file", "存放签名密钥的文件，每行一个。"),
    ("external_idp.issuer", "外部身份提供方：令牌必须写明的签发者（iss）；不设置即没有。"),
    ("external_idp.jwks_url", "签发者公钥（JWKS）的地址。"),
    ("external_idp.audience", "令牌必须写明的受众（aud）。"),
    ("external_idp.algorithms", "接受的签名算法：RS256、ES256、EdDSA。"),
    ("external_idp.group_claim", "令牌中说明可打开哪些分组的声明。"),
    ("external_idp.groups", "声明的取值与分组的对应：取值=服务器代码。"),
    ("external_idp.leeway", "允许签发者的时钟与本机相差多少。"),
    ("live.listen", "实时连接监听的地址与端口。"),
    ("live.allowed_hosts", "实时连接接受的 Host 请求头；“*”关闭检查。"),
    ("live.allowed_origins", "可以建立实时连接的网页来源；为空时只接受来自已允许主机的网页。"),
    ("live.jwt_secret", "应用签发 JWT 所用的密钥（HS256）。"),
    ("live.jwt_secret_file", "存放 live.jwt_secret 的文件。"),
    ("live.jwks_url", "应用公钥（JWKS）的地址，用于 RS256、ES256 或 EdDSA 签名的 JWT。"),
    ("live.jwt_issuer", "JWT 必须写明的签发者（iss）；不设置则不限。"),
    ("live.jwt_audience", "JWT 必须写明的受众（aud）；不设置则不限。"),
    ("live.max_connections", "同时的实时连接数上限；超出时应答 503。"),
    ("http.max_connections", "每个监听同时保持的连接数上限；更多的在内核队列中等待。"),
    ("http.max_connections_per_address", "每个地址在一个监听上可保持的连接数；超出时应答 429；0 表示不限。"),
    ("http.trusted_proxies", "前置代理的地址或网段；只相信它们的 X-Forwarded-For。"),
    ("http.first_byte_timeout", "新连接发出第一个字节的时限。"),
    ("http.header_timeout", "请求头到齐的时限，也是两次请求之间连接可闲置的时间。"),
    ("http.request_timeout", "请求体到齐的时限。"),
    ("http.write_timeout", "客户端最长可不读取应答的时间，超过即断开。"),
    ("http.shutdown_timeout", "停止时，进行中的请求可用来完成的时间。"),
    ("keys.reveal", "是否可以再次查看分组密钥：sealed 加密保存一份，每次查看均留审计记录；never 不保存。"),
    ("keys.default_grace", "被替换的密钥与新密钥并存多久。"),
    ("keys.retire_after_quiet", "被替换的密钥无人使用多久后提前停用；0s 表示只在宽限期满时停用。"),
    ("keys.forget_after", "已结束的密钥记住多久，以便告诉仍持有它的人发生了什么。"),
    ("keys.failed_attempts", "每个地址每分钟可出错的密钥次数，超出时应答 429；各类拒绝每分钟最多记录 120 条；0 表示均不限。"),
    ("keys.master_key_file", "存放主密钥的文件；首次启动时以 0600 权限创建。"),
    ("keys.master_key", "主密钥本身，用于放在环境变量或 systemd 凭据中的部署。"),
    ("oauth.enabled", "是否为没有密钥的客户端提供授权服务器。"),
    ("oauth.registration", "客户端是否可以自行注册。"),
    ("oauth.max_clients", "注册客户端的数量上限。"),
    ("oauth.registrations_per_hour", "每个地址每小时可注册的客户端数。"),
    ("oauth.unused_client_expiry", "从未使用的客户端保留多久。"),
    ("oauth.client_documents", "是否接受以网址为编号的客户端（客户端元数据文档）。"),
    ("oauth.client_document_domains", "只接受这些域名的客户端元数据文档；为空则不限。"),
    ("oauth.client_documents_loopback", "是否接受本机地址上的客户端元数据文档。"),
    ("oauth.code_lifetime", "授权码的有效期。"),
    ("oauth.access_token_lifetime", "访问令牌的有效期。"),
    ("oauth.refresh_token_lifetime", "刷新令牌的有效期。"),
    ("oauth.grant_lifetime", "一次授权的最长有效期。"),
    ("oauth.app_schemes", "可用作回调的应用自定义协议。"),
    ("oauth.http_redirect_hosts", "可用 http 回调的主机。"),
    ("call_log.durable", "是否每次调用都先落盘再应答。"),
    ("call_log.bodies", "调用日志记录参数与结果的方式：redacted 脱敏、full 完整、none 不记。"),
    ("call_log.queue", "等待写入的调用记录数上限。"),
    ("call_log.flush_interval", "调用记录最迟多久写入一次。"),
    ("registration.environment", "智能体的环境：只使用属于该环境的智能体。"),
    ("registration.workers", "同时进行的任务数。"),
    ("registration.lease", "任务租约时长：进程被强制结束后，多久由别的进程接手。"),
    ("outbound.webhook_url", "接收事件的应用地址。"),
    ("outbound.webhook_secret", "事件的签名密钥。"),
    ("outbound.webhook_secret_file", "存放事件签名密钥的文件。"),
    ("outbound.timeout", "一次事件发送的时限。"),
    ("log.format", "日志格式：终端上为易读格式，其他情况为 JSON。"),
    ("log.filter", "记录哪些日志，例如 info,rmcp=warn。"),
    ("metrics.enabled", "是否在 /metrics 提供 Prometheus 指标。"),
    ("metrics.token", "读取 /metrics 所需的令牌；不设置时只应答本机。"),
    ("metrics.token_file", "存放 metrics.token 的文件。"),
    ("telemetry.otlp_endpoint", "接收链路追踪（OTLP）的地址；不设置即不发送。"),
    ("telemetry.service_name", "链路追踪中的服务名。"),
    ("telemetry.sample_ratio", "自行开始的追踪中发送的比例。"),
    ("admin.enabled", "是否提供管理面板与管理 API。"),
    ("admin.listen", "管理面板与管理 API 监听的地址与端口。"),
    ("admin.public_url", "浏览器访问管理面板所用的网址；https:// 时 Cookie 只在加密连接上发送。"),
    ("admin.allowed_hosts", "管理面板接受的 Host 请求头；“*”关闭检查。"),
    ("admin.allowed_origins", "可以凭令牌调用管理 API 的网页来源；登录只能在面板自己的页面上。"),
    ("admin.session_idle", "静默多久后自动退出登录。"),
    ("admin.session_lifetime", "登录最长有效多久。"),
];

/// The meaning of a key in both languages.
pub fn meaning_of(info: &KeyInfo) -> Bilingual {
    let zh = MEANINGS.iter().find(|(key, _)| *key == info.key).map_or("", |(_, zh)| zh);
    Bilingual::new(zh, &*info.doc.en)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Catalogue;

    #[test]
    fn every_key_has_a_meaning_in_chinese() {
        let catalogue = Catalogue::new();
        let missing: Vec<&str> = catalogue.keys().filter(|info| meaning_of(info).zh.is_empty()).map(|info| &*info.key).collect();
        assert!(missing.is_empty(), "no meaning in Chinese: {missing:?}");
        let left: Vec<&str> = MEANINGS.iter().map(|(key, _)| *key).filter(|key| catalogue.get(key).is_none()).collect();
        assert!(left.is_empty(), "no such key: {left:?}");
    }
}
