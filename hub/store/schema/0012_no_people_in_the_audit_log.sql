-- The audit log named people who were put on a camera, or deleted from it, by number. An erasure
-- does not reach it, so it keeps the camera only.

PRAGMA secure_delete = ON;
UPDATE audit SET target = substr(target, 1, instr(target, ' ') - 1)
WHERE action IN ('device.person_add', 'device.person_delete') AND instr(target, ' ') > 0;
