"""A small clinic: rows to import, and for every tool the calls whose answers follow from these rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

CUSTOMER = "usr_ci_linxiaoyue"
LAPSED = "usr_ci_anna"
CONSULTANT = "usr_ci_zhouning"
DOCTOR = "usr_ci_chen"
CONVERSATION = "conv_ci_1"

#: What `generate_treatment_plan` is asked for: the customer's record says that lidocaine is out of the question.
PLAN_WISH = {
    "customer_profile": {"user_id": CUSTOMER, "age": 34},
    "requirements": {"concerns": ["色斑"], "budget": 20000, "max_recovery_days": 7},
}


def ago(days: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def rows() -> dict[str, list[dict[str, Any]]]:
    """Every kind that can be imported, in an order in which it can."""
    return {
        "users": [
            {"id": CUSTOMER, "username": "林晓月", "email": "linxiaoyue@example.com", "phone": "13812348888", "roles": "customer", "registered_at": ago(400)},
            {"id": LAPSED, "username": "Anna Fischer", "email": "anna@example.com", "phone": "", "roles": "customer", "registered_at": ago(900)},
            {"id": CONSULTANT, "username": "周宁", "email": "zhouning@example.com", "phone": "", "roles": "consultant", "registered_at": ago(1000)},
            {"id": DOCTOR, "username": "陈医生", "email": "chen@example.com", "phone": "", "roles": "doctor;admin", "registered_at": ago(1000)},
        ],
        "customers": [
            {"user_id": CUSTOMER, "gender": "female", "birth_year": 1992, "city": "上海", "source": "xiaohongshu", "skin_type": "sensitive", "concerns": "色斑;毛孔", "allergies": "lidocaine"},
            {"user_id": LAPSED, "gender": "female", "birth_year": 1980, "city": "北京", "source": "friend", "skin_type": "dry", "concerns": "皱纹", "allergies": ""},
        ],
        "preferences": [
            {"user_id": CUSTOMER, "treatments": ["photorejuvenation"], "budget_min": 3000, "budget_max": 20000, "contact_time": "weekday_evening",
             "communication_style": "detailed", "price_sensitivity": "medium", "brand_loyalty": "low"},
        ],
        "services": [
            {"code": "photorejuvenation", "name": "光子嫩肤", "name_en": "IPL photorejuvenation", "category": "laser", "treats": ["色斑", "毛孔"], "price_min": 1280, "price_max": 1980,
             "duration_minutes": 45, "recovery_days": 2, "sessions": 3, "interval_days": 30, "efficacy": 40, "contraindications": ["pregnancy"]},
            {"code": "picosecond", "name": "皮秒激光", "name_en": "Picosecond laser", "category": "laser", "treats": ["色斑"], "price_min": 2800, "price_max": 3800,
             "duration_minutes": 60, "recovery_days": 5, "sessions": 3, "interval_days": 45, "efficacy": 70, "contraindications": ["lidocaine", "pregnancy"]},
            {"code": "hydrafacial", "name": "水光补水", "name_en": "Hydrating facial", "category": "skin", "treats": ["干燥", "毛孔"], "price_min": 600, "price_max": 900,
             "duration_minutes": 40, "recovery_days": 0, "sessions": 4, "interval_days": 14, "efficacy": 30, "contraindications": []},
        ],
        "consultations": [
            {"id": "cons_ci_1", "customer_id": CUSTOMER, "consultant_id": CONSULTANT, "kind": "consultation", "status": "completed", "summary": "想改善色斑", "service_code": "photorejuvenation",
             "paid": "0", "occurred_at": ago(60)},
            {"id": "cons_ci_2", "customer_id": CUSTOMER, "consultant_id": DOCTOR, "kind": "treatment", "status": "completed", "summary": "光子嫩肤第一次", "service_code": "photorejuvenation",
             "paid": "1580.50", "occurred_at": ago(20)},
            {"id": "cons_ci_3", "customer_id": LAPSED, "consultant_id": CONSULTANT, "kind": "treatment", "status": "completed", "summary": "补水", "service_code": "hydrafacial",
             "paid": "800", "occurred_at": ago(700)},
        ],
        "conversations": [{"id": CONVERSATION, "customer_id": CUSTOMER, "title": "色斑咨询", "ai_controlled": True, "status": "open", "created_at": ago(3)}],
        "messages": [
            {"id": "msg_ci_1", "conversation_id": CONVERSATION, "sender_type": "customer", "content": "光子嫩肤可以改善色斑吗？", "created_at": ago(2)},
            {"id": "msg_ci_2", "conversation_id": CONVERSATION, "sender_type": "consultant", "sender_id": CONSULTANT, "content": {"text": "可以，建议做三次。"}, "created_at": ago(1)},
        ],
        "plans": [{"id": "plan_ci_imported", "customer_id": CUSTOMER, "status": "approved", "body": {"note": "from the old app"}, "created_at": ago(30)}],
    }


def write(directory: Path) -> Iterable[tuple[str, Path]]:
    """Writes the rows, flat ones as CSV and the others as JSON lines; yields kind and file."""
    directory.mkdir(parents=True, exist_ok=True)
    for kind, records in rows().items():
        flat = all(not isinstance(value, (dict, list, bool)) for record in records for value in record.values())
        file = directory / f"{kind}.{'csv' if flat else 'jsonl'}"
        with file.open("w", encoding="utf-8", newline="") as out:
            if flat:
                table = csv.DictWriter(out, fieldnames=list(records[0]))
                table.writeheader()
                table.writerows(records)
            else:
                out.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        yield kind, file


@dataclass(frozen=True)
class Case:
    """A call and what must come of it.

    `expect` is `answer` (a result whose facts hold), `refused` (a result that is an error and says `says`), or `error`
    (an error of the protocol that says `says`).
    """

    tool: str
    arguments: dict[str, Any]
    expect: str = "answer"
    facts: dict[str, Any] | None = None
    says: tuple[str, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.tool}{' ' + self.note if self.note else ''}"


def some(value: Any) -> bool:
    """There is something: a text, a list, a number above nothing."""
    return bool(value)


def share(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


def without(*codes: str) -> Callable[[Any], bool]:
    """Something is proposed, and none of these services."""
    def holds(treatments: Any) -> bool:
        proposed = json.dumps(treatments, ensure_ascii=False)
        return bool(treatments) and not any(code in proposed for code in codes)
    return holds


def cases(plan_id: str) -> list[Case]:
    """At least one call of every tool, then what clients get wrong."""
    return [
        Case("get_user_profile", {"user_id": CUSTOMER, "include_details": True},
             facts={"user_id": CUSTOMER, "username": "林晓月", "primary_role": "customer", "is_new_user": False, "phone": "138****8888", "email": "l***@example.com"}),
        Case("search_users", {"query": "林晓", "limit": 5}, facts={"count": 1, "result.0.user_id": CUSTOMER, "result.0.username": "林晓月", "result.0.match_score": share}),
        Case("search_users", {"query": "fisch"}, note="in Latin letters", facts={"result.0.user_id": LAPSED}),
        Case("analyze_customer", {"user_id": CUSTOMER, "analysis_type": "predictive"},
             facts={"user_id": CUSTOMER, "segment_code": some, "drivers": some, "recommendations": some, "churn_probability": share, "next_best_action": some}),
        Case("get_customer_preferences", {"user_id": CUSTOMER},
             facts={"treatment_preferences": lambda value: "光子嫩肤" in str(value) or "photorejuvenation" in str(value), "budget_min_yuan": 3000, "budget_max_yuan": 20000, "price_sensitivity": "medium"}),
        Case("get_consultation_history", {"customer_id": CUSTOMER, "limit": 10},
             facts={"count": 2, "result.0.consultation_id": "cons_ci_2", "result.0.consultant": "陈医生", "result.0.paid_yuan": 1580.5, "result.1.consultation_id": "cons_ci_1"}),
        Case("create_consultation_summary", {"consultation_data": {"customer_id": CUSTOMER, "concerns": ["色斑"], "notes": "预算约5000元。建议光子嫩肤3次疗程。", "next_steps": ["下周面诊"]}},
             facts={"summary_id": some, "customer_id": CUSTOMER, "key_points": some}),
        Case("get_conversation_data", {"user_id": CUSTOMER},
             facts={"conversation.conversation_id": CONVERSATION, "conversation.title": "色斑咨询", "messages.0.message_id": "msg_ci_1", "messages.1.text": "可以，建议做三次。"}),
        Case("generate_treatment_plan", PLAN_WISH, facts={"plan_id": some, "sessions": some, "treatments": without("picosecond"), "review": some}),
        Case("optimize_plan", {"plan_id": plan_id, "feedback": "太贵了，预算3000元以内"}, facts={"original_plan_id": plan_id, "optimized_plan_id": some, "reason": some, "plan.treatments": without("picosecond")}),
        Case("get_service_info", {"service_type": "光子嫩肤"}, facts={"found": True, "code": "photorejuvenation", "price_min_yuan": 1280, "duration_minutes": 45}),
        Case("get_service_info", {}, note="of everything", facts={"found": True, "total_services": 3, "total_categories": 2}),
        Case("get_user_profile", {"user_id": CUSTOMER, "include_details": "true"}, note="with a boolean as text", facts={"details_included": True}),
        Case("search_users", {"query": "example.com", "limit": 2.0}, note="with an integer as 2.0", facts={"count": 2}),
        Case("get_consultation_history", {"customer_id": CUSTOMER, "limit": "1"}, note="with an integer as text", facts={"count": 1}),
        Case("get_user_profile", {}, "refused", says=("user_id", "usr_0001"), note="without arguments"),
        Case("search_users", {"query": "林", "limit": 0}, "refused", says=("limit",), note="with a limit of 0"),
        Case("get_user_profile", {"user_id": "usr_ci_nobody"}, "refused", says=("usr_ci_nobody",), note="of nobody"),
        Case("analyze_customer", {"user_id": CUSTOMER, "analysis_type": "magic"}, "refused", says=("analysis_type", "predictive"), note="of a kind that is none"),
        Case("optimize_plan", {"plan_id": "plan_ci_nothing", "feedback": "太贵了"}, "refused", says=("plan_ci_nothing",), note="of no plan"),
        Case("claim_customer", {"consultant_id": CONSULTANT, "conversation_id": CONVERSATION}, "refused", says=("conversation_id", CONVERSATION), note="of somebody who does not wait"),
        Case("claim_customer", {"consultant_id": CUSTOMER, "customer_id": LAPSED}, "refused", says=("consultant_id", CUSTOMER), note="by a customer"),
    ]


def for_group(tools: list[str], plan_id: str, scoped: bool) -> list[Case]:
    """The cases of a group's tools, and the call of a tool that it does not have.

    A group that is bound to subjects tells nothing of a customer who is named by the ordinary id.
    """
    own = [case for case in cases(plan_id) if case.tool in tools]
    if scoped:
        own = [replace(case, expect="refused", facts=None, says=("sub_",)) for case in own if case.expect == "answer"]
    foreign = "get_service_info" if "get_service_info" not in tools else "get_user_profile"
    return [*own, Case(foreign, {}, "error", says=(tools[0],), note="of another group")]
