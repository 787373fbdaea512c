//! The units, application systems and dormitories of the demo's campus. The institution is invented; its shape is
//! that of a large Chinese university.

/// The root of the tree.
pub const ROOT: (&str, &str) = ("campus", "钟楼大学");

/// The 68 departments: id, name, the department above.
pub const DEPARTMENTS: [(&str, &str, &str); 68] = [
    ("math", "数学与统计学院", "campus"),
    ("physics", "物理学院", "campus"),
    ("chemistry", "化学学院", "campus"),
    ("life", "生命科学与技术学院", "campus"),
    ("mechanical", "机械工程学院", "campus"),
    ("energy", "能源与动力工程学院", "campus"),
    ("electrical", "电气工程学院", "campus"),
    ("electronics", "电子科学与工程学院", "campus"),
    ("communication", "信息与通信工程学院", "campus"),
    ("cs", "计算机科学与技术学院", "campus"),
    ("software", "软件学院", "campus"),
    ("automation", "自动化科学与工程学院", "campus"),
    ("cybersecurity", "网络空间安全学院", "campus"),
    ("ai", "人工智能学院", "campus"),
    ("materials", "材料科学与工程学院", "campus"),
    ("aerospace", "航天航空学院", "campus"),
    ("architecture", "人居环境与建筑工程学院", "campus"),
    ("chemical-engineering", "化学工程与技术学院", "campus"),
    ("nuclear", "核科学与技术学院", "campus"),
    ("instruments", "仪器科学与技术学院", "campus"),
    ("management", "管理学院", "campus"),
    ("economics", "经济与金融学院", "campus"),
    ("policy", "公共政策与管理学院", "campus"),
    ("humanities", "人文社会科学学院", "campus"),
    ("marxism", "马克思主义学院", "campus"),
    ("languages", "外国语学院", "campus"),
    ("law", "法学院", "campus"),
    ("journalism", "新闻与新媒体学院", "campus"),
    ("sports", "体育学院", "campus"),
    ("international-education", "国际教育学院", "campus"),
    ("medicine", "医学部", "campus"),
    ("basic-medicine", "基础医学院", "medicine"),
    ("public-health", "公共卫生学院", "medicine"),
    ("pharmacy", "药学院", "medicine"),
    ("nursing", "护理学院", "medicine"),
    ("clinical", "临床医学院", "medicine"),
    ("stomatology", "口腔医学院", "medicine"),
    ("continuing", "继续教育学院", "campus"),
    ("offices", "机关部处", "campus"),
    ("president-office", "校长办公室", "offices"),
    ("hr", "人力资源部", "offices"),
    ("finance", "财务处", "offices"),
    ("academic-affairs", "教务处", "offices"),
    ("graduate-school", "研究生院", "offices"),
    ("student-affairs", "学生处", "offices"),
    ("research-office", "科学技术研究院", "offices"),
    ("social-research", "社会科学处", "offices"),
    ("international-office", "国际合作与交流处", "offices"),
    ("assets", "国有资产管理处", "offices"),
    ("security", "保卫处", "offices"),
    ("logistics", "后勤保障部", "offices"),
    ("infrastructure", "基建处", "offices"),
    ("audit", "审计处", "offices"),
    ("discipline", "纪检监察室", "offices"),
    ("admissions", "招生办公室", "offices"),
    ("career", "就业指导中心", "offices"),
    ("union", "工会", "offices"),
    ("youth-league", "校团委", "offices"),
    ("alumni", "校友工作部", "offices"),
    ("services", "直属单位", "campus"),
    ("library", "图书馆", "services"),
    ("network-center", "网络信息中心", "services"),
    ("archives", "档案馆", "services"),
    ("press", "出版社", "services"),
    ("museum", "博物馆", "services"),
    ("hospital", "校医院", "services"),
    ("labs", "实验室与设备管理处", "services"),
    ("engineering-center", "工程训练中心", "services"),
];

/// How many departments at the head of the list are schools, with students of their own.
pub const SCHOOLS: usize = 38;
/// A school without students of its own: its schools have them.
pub const FACULTY: &str = "medicine";

/// Application systems that reach the whole campus: title and owning department. Each school has one of its own beside them.
pub const CAMPUS_SYSTEMS: [(&str, &str); 21] = [
    ("移动校园", "network-center"),
    ("校园通知平台", "president-office"),
    ("本科教务系统", "academic-affairs"),
    ("研究生管理系统", "graduate-school"),
    ("图书馆系统", "library"),
    ("一卡通", "finance"),
    ("财务报销系统", "finance"),
    ("人事系统", "hr"),
    ("宿舍管理系统", "logistics"),
    ("统一身份认证", "network-center"),
    ("校医院预约系统", "hospital"),
    ("就业信息网", "career"),
    ("奖助学金系统", "student-affairs"),
    ("科研管理系统", "research-office"),
    ("实验室安全系统", "labs"),
    ("校园安保系统", "security"),
    ("国际交流系统", "international-office"),
    ("资产管理系统", "assets"),
    ("迎新系统", "admissions"),
    ("第二课堂", "youth-league"),
    ("校友服务平台", "alumni"),
];
/// The system with the campus app: the inbox gateway.
pub const INBOX_GATEWAY: usize = 0;
/// The system for whole-school notices.
pub const NOTICE_PLATFORM: usize = 1;

/// The sites of the campus.
pub const SITES: [&str; 4] = ["兴庆", "雁塔", "曲江", "创新港"];
/// The dormitories of a site are numbered from 1 to this.
pub const DORMS_PER_SITE: usize = 12;
/// The grades of students, by the year in which they came.
pub const GRADES: [u32; 6] = [2019, 2020, 2021, 2022, 2023, 2024];
/// Degrees with how many of a hundred students work for them.
pub const DEGREES: [(&str, u32); 3] = [("bachelor", 55), ("master", 32), ("doctor", 13)];
