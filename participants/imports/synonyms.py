"""What laboratories call the measures of the study, beside our own codes and names.

Names as they stand on reports in China (WS/T 102, WS/T 405, WS/T 404 and the printed lists of analysers) and in
English. Left out on purpose: percentages of the differential (NEUT%, 中性粒细胞百分比), which are another measure; urea
nitrogen (BUN, 尿素氮), which is not urea where mg/dL is printed; ionised calcium; a D-dimer's or a load's assay.
"""

SYNONYMS: dict[str, tuple[str, ...]] = {
    # Blood count
    "WBC": (
        "白细胞",
        "白细胞计数",
        "白细胞数",
        "white blood cell count",
        "leukocytes",
        "leucocytes",
        "leukocyte count",
    ),
    "NEUT": (
        *("中性粒细胞", "中性粒细胞绝对值", "中性粒细胞计数", "中性粒细胞数", "嗜中性粒细胞绝对值", "中性粒细胞#"),
        *("NEUT#", "ANC", "NEU#", "NE#", "neutrophils", "neutrophil count", "absolute neutrophil count"),
    ),
    "LYM": (
        *("淋巴细胞", "淋巴细胞绝对值", "淋巴细胞计数", "淋巴细胞数", "淋巴细胞#"),
        *("LYM#", "LYMPH#", "LY#", "ALC", "lymphocytes", "lymphocyte count", "absolute lymphocyte count"),
    ),
    "HGB": ("血红蛋白", "血红蛋白浓度", "血红蛋白测定", "血色素", "Hb", "hemoglobin", "haemoglobin"),
    "PLAT": ("血小板", "血小板计数", "血小板数", "PLT", "platelets", "platelet count", "thrombocytes"),
    "PB_BLASTS": ("外周血原始细胞", "外周血幼稚细胞", "peripheral blasts", "blasts in peripheral blood"),
    # Chemistry
    "CREAT": ("肌酐", "血肌酐", "血清肌酐", "肌酐测定", "Cr", "CREA", "Scr", "creatinine", "serum creatinine"),
    "BILI": ("总胆红素", "血清总胆红素", "TBIL", "T-BIL", "TBil", "STB", "total bilirubin", "bilirubin total"),
    "BILDIR": ("直接胆红素", "结合胆红素", "DBIL", "D-BIL", "direct bilirubin", "conjugated bilirubin"),
    "ALT": (
        *("丙氨酸氨基转移酶", "谷丙转氨酶", "丙氨酸转氨酶", "血清丙氨酸氨基转移酶", "丙氨酸氨基转移酶测定"),
        *("GPT", "SGPT", "alanine aminotransferase", "alanine transaminase"),
    ),
    "AST": (
        *("天门冬氨酸氨基转移酶", "天冬氨酸氨基转移酶", "谷草转氨酶", "天冬氨酸转氨酶", "血清天门冬氨酸氨基转移酶"),
        *("GOT", "SGOT", "aspartate aminotransferase", "aspartate transaminase"),
    ),
    "ALP": ("碱性磷酸酶", "血清碱性磷酸酶", "AKP", "alkaline phosphatase"),
    "LDH": ("乳酸脱氢酶", "血清乳酸脱氢酶", "LD", "lactate dehydrogenase"),
    "UREA": ("尿素", "血尿素", "血清尿素", "尿素测定"),
    "URATE": ("尿酸", "血尿酸", "血清尿酸", "UA", "uric acid", "urate"),
    "ALB": ("白蛋白", "血清白蛋白", "清蛋白", "albumin"),
    "GLUC": ("葡萄糖", "血糖", "血葡萄糖", "空腹血糖", "空腹葡萄糖", "GLU", "FPG", "glucose", "blood glucose"),
    "K": ("钾", "血钾", "血清钾", "钾离子", "K+", "potassium"),
    "SODIUM": ("钠", "血钠", "血清钠", "钠离子", "Na", "Na+", "sodium"),
    "CA": ("钙", "血钙", "总钙", "血清钙", "血清总钙", "Ca", "calcium", "total calcium"),
    "PHOS": ("磷", "血磷", "无机磷", "血清无机磷", "P", "IP", "phosphate", "phosphorus", "inorganic phosphate"),
    # The high-sensitivity assay measures the same protein in the same unit.
    "CRP": ("C反应蛋白", "C-反应蛋白", "超敏C反应蛋白", "超敏C-反应蛋白", "hsCRP", "hs-CRP", "C-reactive protein"),
    "FERRITIN": ("铁蛋白", "血清铁蛋白", "SF", "FER", "FERR", "ferritin"),
    "TRIG": ("甘油三酯", "三酰甘油", "甘油三脂", "TG", "triglycerides", "triglyceride"),
    # Coagulation
    "PT": ("凝血酶原时间", "血浆凝血酶原时间", "PT-S", "prothrombin time"),
    "INR": ("国际标准化比值", "国际标准化比率", "PT-INR", "international normalized ratio"),
    "APTT": (
        "活化部分凝血活酶时间",
        "活化部分凝血酶原时间",
        "部分凝血活酶时间",
        "activated partial thromboplastin time",
    ),
    "FIBRINO": ("纤维蛋白原", "血浆纤维蛋白原", "FIB", "Fbg", "fibrinogen"),
    "DDIMER": ("D-二聚体", "D二聚体", "血浆D-二聚体", "D-D", "DD", "D-dimer", "D dimer"),
    # Vital signs
    "TEMP": ("体温", "T", "temperature", "body temperature"),
    "HR": ("心率", "脉搏", "P/HR", "pulse", "heart rate"),
    "RESP": ("呼吸", "呼吸频率", "RR(resp)", "respiratory rate", "respiration rate"),
    "SYSBP": ("收缩压", "SBP", "systolic", "systolic blood pressure"),
    "DIABP": ("舒张压", "DBP", "diastolic", "diastolic blood pressure"),
    "OXYSAT": ("血氧饱和度", "氧饱和度", "指脉氧", "指氧饱和度", "SpO2", "oxygen saturation"),
    "ON_OXYGEN": ("吸氧", "是否吸氧", "supplemental oxygen"),
    # Heart
    "QT": ("QT间期", "QT interval"),
    "RR": ("RR间期", "R-R间期", "RR interval"),
    "EGHR": ("心电图心率", "ECG heart rate", "ventricular rate", "心室率"),
    "QTCF": ("QTcF", "QTcF间期", "QTcF interval"),
    "LVEF": ("左室射血分数", "左心室射血分数", "射血分数", "EF", "ejection fraction"),
    "EFFUSION": ("心包积液", "积液", "effusion"),
    # Body
    "WEIGHT": ("体重", "body weight", "weight"),
    "HEIGHT": ("身高", "body height", "height"),
    "ECOG": ("ECOG评分", "体能状态评分", "ECOG PS", "performance status"),
    "ICE": ("ICE评分", "ICE score"),
    # Marrow and CD19
    "BM_BLASTS": (
        "骨髓原始细胞",
        "骨髓幼稚细胞",
        "骨髓原始细胞比例",
        "原始+幼稚淋巴细胞",
        "marrow blasts",
        "bone marrow blasts",
    ),
    "MRD": (
        "微小残留病",
        "微小残留病灶",
        "微量残留病",
        "可测量残留病",
        "minimal residual disease",
        "measurable residual disease",
    ),
    "BCELL_PCT": ("B淋巴细胞百分比", "CD19+B细胞百分比", "CD19阳性B细胞百分比", "B cells percent", "CD19+ B cells %"),
    "BCELL": ("B淋巴细胞计数", "B淋巴细胞绝对值", "CD19+B细胞计数", "B cell count", "CD19+ B cells"),
    "CAR_COPIES": ("CAR拷贝数", "CAR基因拷贝数", "CAR copies", "CAR transgene copies"),
    "CAR_PCT": ("CAR-T细胞百分比", "CAR阳性T细胞百分比", "CAR-T cells %", "CAR+ T cells"),
    "CAR_METHOD": ("CAR检测方法", "CAR method"),
    "CD19": ("CD19表达", "CD19 expression"),
    "CD19_METHOD": ("CD19检测方法", "CD19 method"),
    "CD19_SAMPLE": ("CD19标本时期", "CD19 sample"),
    # Virology
    "HBSAG": ("乙肝表面抗原", "乙型肝炎表面抗原", "乙型肝炎病毒表面抗原", "HBs-Ag", "hepatitis B surface antigen"),
    "HBCAB": (
        "乙肝核心抗体",
        "乙型肝炎核心抗体",
        "乙型肝炎病毒核心抗体",
        "抗HBc",
        "HBc-Ab",
        "Anti-HBc",
        "hepatitis B core antibody",
    ),
    "HBVDNA": ("乙肝病毒DNA", "乙型肝炎病毒DNA", "乙型肝炎病毒核酸", "HBV-DNA", "乙肝DNA"),
    "HCVAB": ("丙肝抗体", "丙型肝炎抗体", "丙型肝炎病毒抗体", "Anti-HCV", "HCVAb", "hepatitis C antibody"),
    "HCVRNA": ("丙肝病毒RNA", "丙型肝炎病毒RNA", "丙型肝炎病毒核酸", "HCV-RNA"),
    "HIVAB": ("HIV抗体", "人类免疫缺陷病毒抗体", "艾滋病病毒抗体", "Anti-HIV", "HIVAb", "HIV antibody"),
    "EBVDNA": ("EB病毒DNA", "EB病毒核酸", "EBV-DNA", "Epstein-Barr virus DNA"),
    "CMVDNA": ("巨细胞病毒DNA", "巨细胞病毒核酸", "人巨细胞病毒DNA", "CMV-DNA", "HCMV DNA", "HCMV-DNA"),
    "HCG_SERUM": ("血hCG", "血清hCG", "β-hCG", "血β-hCG", "人绒毛膜促性腺激素", "serum hCG"),
    "HCG_URINE": ("尿hCG", "尿妊娠试验", "尿绒毛膜促性腺激素", "urine hCG", "urine pregnancy test"),
}

# Spellings of units that `unit_key` does not level: our unit → as printed, for measures that are given in it.
UNIT_SYNONYMS: dict[str, tuple[str, ...]] = {
    "10^9/L": ("G/L", "Gpt/L", "10^9个/L", "个×10^9/L", "E9/L", "10^9cells/L", "×10E9/L", "10~9/L", "10⁹/L"),
    "10^3/uL": ("K/uL", "千/uL", "K/mm3", "10^3/mm3", "1000/uL"),
    "/uL": ("个/uL", "cells/uL", "/mm3"),
    "g/L": ("克/升",),
    "U/L": ("IU/L", "单位/升", "u/l"),
    "umol/L": ("微摩尔/升", "mcmol/L"),
    "mmol/L": ("毫摩尔/升", "mM"),
    "mg/L": ("毫克/升",),
    "ug/L": ("mcg/L", "微克/升"),
    "ug/mL": ("mcg/mL",),
    "s": ("秒", "sec", "S"),
    "/min": ("次/分", "次/min", "次/分钟", "bpm", "beats/min"),
    "degC": ("摄氏度", "C"),
    "mmHg": ("毫米汞柱",),
    "kg": ("公斤", "千克"),
    "cm": ("厘米",),
    "ms": ("毫秒", "msec"),
    "copies/mL": ("copy/mL", "拷贝/mL", "cps/mL", "拷贝/毫升"),
    "IU/mL": ("国际单位/mL", "IU/毫升"),
}
# Where a ratio has no unit, laboratories print one of these all the same.
NO_UNIT = ("-", "--", "/", "无", "ratio", "比值", "1")
