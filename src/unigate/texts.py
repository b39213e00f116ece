"""What people read on the command line, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Texts", "is_chinese"]

_TEXTS = {
    "gateway": ("Gateway", "网关地址"),
    "with_v1": ("(with and without /v1)", "（带不带 /v1 都可以）"),
    "docs": ("API docs", "接口文档"),
    "providers": ("Providers", "模型服务"),
    "log": ("Log", "日志"),
    "demo_local": (
        "none configured: {model} on this machine answers, as a demo",
        "尚未配置：由本机的 {model} 演示应答",
    ),
    "demo_script": (
        "none configured: a scripted demo answers; 'unigate local install' adds a real local model",
        "尚未配置：由脚本演示应答；运行 unigate local install 可安装真正的本地模型",
    ),
    "model_ready": ("The local model is ready: {model}.", "本地模型已就绪：{model}。"),
    "keys_once": ("Keys, shown this once:", "密钥（只显示这一次）："),
    "keys_in": ("Keys are in {path}; move them to a safe place.", "密钥保存在 {path}，请移到安全的地方。"),
    "admin": ("admin", "管理"),
    "client": ("client", "客户端"),
    "try": ("Try it:", "试一试："),
    "no_key_known": (
        "Put your key into UNIGATE_KEY first; 'unigate keys create NAME' makes a new one.",
        "先把密钥放进环境变量 UNIGATE_KEY；运行 unigate keys create 名称 可新建密钥。",
    ),
    "stopping": (
        "Stopping: running calls may finish; press Ctrl-C again to stop at once.",
        "正在停止：等待进行中的调用结束，再按一次 Ctrl-C 立即停止。",
    ),
    "port_in_use": (
        "{host}:{port} is in use or may not be listened on ({reason}). Choose another with --port.",
        "{host}:{port} 已被占用或无法监听（{reason}）。请用 --port 换一个端口。",
    ),
    "already_running": (
        "A gateway is already running on {data}; stop it, or choose another folder with --data.",
        "已有网关在使用目录 {data}；请先停止它，或用 --data 指定另一个目录。",
    ),
    "folder_bad": (
        "{path} cannot be used as a folder to write to ({reason}).",
        "{path} 不能用作写入目录（{reason}）。",
    ),
    "no_provider": (
        "No provider is configured, and this is not a first try on this machine alone ({why}), so nothing was started:"
        " a gateway must not answer from a toy because a setting is missing.\n"
        "Set a provider's key (for example OPENAI_API_KEY), or add one to unigate.yaml, or say --demo.",
        "没有配置任何模型服务，而这也不是只在本机的首次试用（{why}），因此没有启动：网关绝不能因为缺少设置就用演示模型应答。\n"
        "请设置某个服务的密钥（例如 OPENAI_API_KEY），或写入 unigate.yaml，或明确加上 --demo。",
    ),
    "why_config": ("there is a configuration file", "存在配置文件"),
    "why_before": ("a provider was configured here before", "此处以前配置过模型服务"),
    "why_address": ("it would listen beyond this machine", "将监听本机以外的地址"),
    "config_missing": ("There is no configuration file at {path}.", "找不到配置文件 {path}。"),
    "config_bad": ("The configuration cannot be used:", "配置无法使用："),
    "config_good": ("{path} is valid.", "{path} 有效。"),
    "config_none": ("There is no unigate.yaml here; defaults apply.", "此处没有 unigate.yaml，将使用默认设置。"),
    "door_failed": ("The gateway did not start; the lines above say why.", "网关未能启动，原因见上面的输出。"),
    "not_windows": (
        "Unigate runs on Linux and macOS; on Windows use WSL or Docker.",
        "Unigate 运行于 Linux 和 macOS；在 Windows 上请使用 WSL 或 Docker。",
    ),
}


def is_chinese(environment: Mapping[str, str]) -> bool:
    """Whether this user's locale is a Chinese one (POSIX: LC_ALL before LC_MESSAGES before LANG)."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return environment[name].lower().startswith("zh")
    return False


class Texts:
    """The sentences in one language."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._column = 1 if is_chinese(environment) else 0

    def __call__(self, name: str, **values: object) -> str:
        """The sentence called `name`, its gaps filled."""
        return _TEXTS[name][self._column].format(**values)
