"""What can be done for a participant here, for the search of the site."""

from django.utils.translation import gettext_lazy as _

from trialsite.finding import Verb

VERBS = (
    Verb(
        _("May we infuse?"),
        "dosing_readiness",
        "dosing.view_infusion",
        "readiness ready check identity 准备 核对 回输",
        is_of_participant=True,
    ),
    Verb(_("Log an infusion"), "dosing_infusion_add", "dosing.add_infusion", "car-t cells day 0 d0 输注"),
    Verb(
        _("Record medication"),
        "dosing_medication_add",
        "dosing.add_medication",
        "conmed drug tocilizumab dexamethasone 合并用药 托珠单抗 给药",
    ),
    Verb(_("Fitness check"), "dosing_fitnesscheck_add", "dosing.add_fitnesscheck", "fit infection oxygen 状况 感染"),
    Verb(_("Hold treatment"), "dosing_dosinghold_add", "dosing.add_dosinghold", "stop pause 暂停"),
)
