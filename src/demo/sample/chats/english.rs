//! The same for customers who write English.

use super::topics::Topic;

pub(super) const WELCOME: Topic = Topic {
    title: "Welcome 欢迎咨询",
    turns: &[
        (
            "ai",
            &[
                "Hello {name}, welcome to Anmei! What would you like to improve?",
                "Hi {name}, thank you for registering. Are you interested in a treatment, a price or an appointment?",
            ],
        ),
        ("customer", &["Hi, I'd like to know more about {service}.", "A friend recommended you. Is {service} right for me?"]),
        (
            "ai",
            &[
                "{service} takes about {minutes} minutes; a usual course is {sessions} session(s), with about {recovery} day(s) of recovery. A doctor decides in person whether it suits you. Do you have any allergies?",
            ],
        ),
        ("customer", &["No allergies that I know of. How much is it?", "Is it painful?"]),
        ("ai", &["One session is ¥{low} to ¥{high}. A numbing cream is applied beforehand when needed."]),
        ("customer", &["Thanks, I'll think about it.", "Great, can I book for this weekend?"]),
        ("consultant", &["Hello, this is {consultant}. I can help you with the appointment; which day suits you?"]),
    ],
};

pub(super) const QUESTION: Topic = Topic {
    title: "Question 咨询",
    turns: &[
        (
            "customer",
            &[
                "Hello, how long is the recovery after {service}?",
                "Could I book {service} next week?",
                "What should I avoid before {service}?",
            ],
        ),
        (
            "consultant",
            &[
                "Recovery is about {recovery} day(s). Please avoid the sun and come without make-up.",
                "Of course. Please avoid exfoliating products for three days before.",
            ],
        ),
        ("customer", &["Perfect, thank you!", "OK, see you then."]),
    ],
};
