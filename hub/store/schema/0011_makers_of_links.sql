-- Links that set up a user end with the administrator who made them. The audit log knows who that was.

ALTER TABLE user_link ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
UPDATE user_link SET made_by = COALESCE(
    (SELECT substr(who, 6) FROM audit
     WHERE action = 'user.link' AND target = user_link.name || ' ' || user_link.role
         AND who LIKE 'user %'
     ORDER BY id DESC LIMIT 1),
    ''
);
