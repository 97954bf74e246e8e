"""What can be done for a participant here, for the search of the site."""

from django.utils.translation import gettext_lazy as _

from trialsite.finding import Verb

VERBS = (
    Verb(
        _("Bedside assessment"),
        "safety_bedsideassessment_add",
        "safety.add_bedsideassessment",
        "crs icans ice grade assess 分级 评分 评估",
    ),
    Verb(
        _("Log an adverse event"), "safety_adverseevent_add", "safety.add_adverseevent", "ae sae aesi ctcae record 记录"
    ),
    Verb(
        _("Course of toxicity"),
        "safety_course",
        "safety.view_crsassessment",
        "crs icans episode grades 病程 毒性",
        is_of_participant=True,
    ),
    Verb(_("Record a discharge"), "safety_discharge_add", "safety.add_discharge", "leave hospital home 出院"),
)
