pub struct Candidate {
    pub id: String,
    pub tags: Vec<String>,
    pub claims_today: i64,
    pub last_assigned_at: Option<i64>,
    pub online: bool,
    pub available: bool,
}
pub fn choose<'a>(_rule: crate::settings::AssignmentRule, _candidates: &'a [Candidate], _tags: &[String]) -> Option<&'a Candidate> {
    None
}
