//! Names of people, drawn as they occur: common surnames often, given names of one or two characters.

use rand::Rng;
use rand::rngs::StdRng;

/// Surnames with their pinyin and how many of a thousand people bear them, roughly as in a census.
const SURNAMES: [(&str, &str, u32); 48] = [
    ("王", "wang", 72),
    ("李", "li", 71),
    ("张", "zhang", 67),
    ("刘", "liu", 51),
    ("陈", "chen", 46),
    ("杨", "yang", 31),
    ("赵", "zhao", 20),
    ("黄", "huang", 22),
    ("周", "zhou", 19),
    ("吴", "wu", 19),
    ("徐", "xu", 14),
    ("孙", "sun", 15),
    ("胡", "hu", 12),
    ("朱", "zhu", 12),
    ("高", "gao", 11),
    ("林", "lin", 11),
    ("何", "he", 11),
    ("郭", "guo", 11),
    ("马", "ma", 11),
    ("罗", "luo", 9),
    ("梁", "liang", 9),
    ("宋", "song", 8),
    ("郑", "zheng", 8),
    ("谢", "xie", 7),
    ("韩", "han", 7),
    ("唐", "tang", 7),
    ("冯", "feng", 6),
    ("于", "yu", 6),
    ("董", "dong", 6),
    ("萧", "xiao", 5),
    ("程", "cheng", 5),
    ("曹", "cao", 5),
    ("袁", "yuan", 5),
    ("邓", "deng", 5),
    ("许", "xu", 5),
    ("傅", "fu", 4),
    ("沈", "shen", 4),
    ("曾", "zeng", 4),
    ("彭", "peng", 4),
    ("吕", "lv", 4),
    ("苏", "su", 4),
    ("卢", "lu", 4),
    ("蒋", "jiang", 4),
    ("蔡", "cai", 4),
    ("贾", "jia", 4),
    ("丁", "ding", 4),
    ("魏", "wei", 4),
    ("欧阳", "ouyang", 1),
];

/// Characters of given names with their pinyin.
const GIVEN: [(&str, &str); 72] = [
    ("伟", "wei"),
    ("芳", "fang"),
    ("娜", "na"),
    ("敏", "min"),
    ("静", "jing"),
    ("丽", "li"),
    ("强", "qiang"),
    ("磊", "lei"),
    ("军", "jun"),
    ("洋", "yang"),
    ("勇", "yong"),
    ("艳", "yan"),
    ("杰", "jie"),
    ("娟", "juan"),
    ("涛", "tao"),
    ("明", "ming"),
    ("超", "chao"),
    ("秀", "xiu"),
    ("霞", "xia"),
    ("平", "ping"),
    ("刚", "gang"),
    ("桂", "gui"),
    ("英", "ying"),
    ("华", "hua"),
    ("子", "zi"),
    ("涵", "han"),
    ("浩", "hao"),
    ("然", "ran"),
    ("宇", "yu"),
    ("轩", "xuan"),
    ("欣", "xin"),
    ("怡", "yi"),
    ("梓", "zi"),
    ("晨", "chen"),
    ("思", "si"),
    ("雨", "yu"),
    ("佳", "jia"),
    ("琪", "qi"),
    ("嘉", "jia"),
    ("诺", "nuo"),
    ("俊", "jun"),
    ("博", "bo"),
    ("文", "wen"),
    ("睿", "rui"),
    ("诗", "shi"),
    ("琳", "lin"),
    ("雪", "xue"),
    ("梦", "meng"),
    ("瑶", "yao"),
    ("婷", "ting"),
    ("志", "zhi"),
    ("远", "yuan"),
    ("鹏", "peng"),
    ("飞", "fei"),
    ("凯", "kai"),
    ("龙", "long"),
    ("晓", "xiao"),
    ("东", "dong"),
    ("建", "jian"),
    ("国", "guo"),
    ("天", "tian"),
    ("一", "yi"),
    ("若", "ruo"),
    ("宁", "ning"),
    ("安", "an"),
    ("可", "ke"),
    ("心", "xin"),
    ("乐", "le"),
    ("云", "yun"),
    ("海", "hai"),
    ("山", "shan"),
    ("川", "chuan"),
];
/// How many of a hundred given names have one character only.
const SHORT_OF_HUNDRED: u32 = 18;

/// A person's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As written.
    pub shown: String,
    /// In Latin letters without blanks, for a mailbox.
    pub pinyin: String,
}

/// Draws a name.
pub fn draw(rng: &mut StdRng) -> Name {
    let all: u32 = SURNAMES.iter().map(|(_, _, weight)| weight).sum();
    let mut left = rng.random_range(0..all);
    let mut surname = SURNAMES[0];
    for candidate in SURNAMES {
        surname = candidate;
        if left < candidate.2 {
            break;
        }
        left -= candidate.2;
    }
    let mut name = Name { shown: surname.0.to_owned(), pinyin: surname.1.to_owned() };
    let length = if rng.random_range(0..100) < SHORT_OF_HUNDRED { 1 } else { 2 };
    for _ in 0..length {
        let (shown, pinyin) = GIVEN[rng.random_range(0..GIVEN.len())];
        name.shown.push_str(shown);
        name.pinyin.push_str(pinyin);
    }
    name
}
