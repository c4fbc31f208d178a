# Fills a new domain of Samba with users and groups for tests of this package.
# Usage: samba_seed.py SMB.CONF SAM.LDB BASE DNS-DOMAIN USER-PASSWORD SERVICE-PASSWORD
import struct
import sys
import time

import ldb
from samba import dsdb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

conf, path, base, domain, password, service_password = sys.argv[1:]
lp = LoadParm()
lp.load(conf)
sam = SamDB(url=path, session_info=system_session(), lp=lp)


def modify(dn, controls=(), **values):
    m = ldb.Message(ldb.Dn(sam, dn))
    for name, value in values.items():
        m[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
    sam.modify(m, controls=list(controls))


def filetime(seconds):
    return str(int((seconds + 11644473600) * 10**7))


# No complexity, no history; an account is locked after three failures.
half_an_hour = str(-30 * 60 * 10**7)
modify(base, pwdProperties='0', minPwdLength='1', minPwdAge='0', pwdHistoryLength='0',
       lockoutThreshold='3', lockoutDuration=half_an_hour, lockOutObservationWindow=half_an_hour)
sam.transaction_start()
for ou in ('People', 'Groups', 'System', 'Other'):
    sam.create_ou('OU=%s,%s' % (ou, base))


def user(name, ou='People', pw=password):
    sam.newuser(name, pw, userou='OU=%s' % ou, mailaddress='%s@mail.example' % name)
    return 'CN=%s,OU=%s,%s' % (name, ou, base)


def group(name, members=(), ou='Groups', kind=None):
    dn = 'CN=%s,OU=%s,%s' % (name, ou, base)
    entry = {'dn': dn, 'objectClass': 'group', 'sAMAccountName': name if ou == 'Groups' else name + '-' + ou}
    if kind is not None:
        entry['groupType'] = kind
    sam.add(entry)
    if members:
        sam.modify(ldb.Message.from_dict(sam, {'dn': dn, 'member': list(members)}, ldb.FLAG_MOD_ADD))
    return dn


user('svc', 'System', service_password)
alice, bob, carol, dave = (user(name) for name in ('alice', 'bob', 'carol', 'dave'))
user('CaseUser')
user('jörg')
user('Paren (Ext)')
user('lockme')
user('guess')
for i in range(8):
    user('shielded%d' % i)
modify(user('disabled'), userAccountControl='514')
modify(user('mustchange'), pwdLastSet='0')
modify(user('acctexpired'), accountExpires=filetime(time.time() - 86400))
expired = user('pwexpired')
modify(user('nohours'), logonHours=b'\0' * 21)
modify(user('workstation'), userWorkstations='NOSUCHPC')
modify(user('altupn'), userPrincipalName='alt.name@corp.example')
comma = 'CN=Smith\\, John,OU=People,%s' % base
sam.add({'dn': comma, 'objectClass': 'user', 'sAMAccountName': 'jsmith', 'userPrincipalName': 'jsmith@' + domain})
sam.setpassword('(sAMAccountName=jsmith)', password)
sam.enable_account('(sAMAccountName=jsmith)')

# A finer policy, for one user.
hour = str(-60 * 60 * 10**7)
sam.add({
    'dn': 'CN=strict,CN=Password Settings Container,CN=System,' + base, 'objectClass': 'msDS-PasswordSettings',
    'msDS-PasswordSettingsPrecedence': '1', 'msDS-PasswordReversibleEncryptionEnabled': 'FALSE', 'msDS-PasswordComplexityEnabled': 'FALSE',
    'msDS-PasswordHistoryLength': '0', 'msDS-MinimumPasswordLength': '1', 'msDS-MinimumPasswordAge': '0', 'msDS-MaximumPasswordAge': str(-3650 * 86400 * 10**7),
    'msDS-LockoutThreshold': '2', 'msDS-LockoutObservationWindow': hour, 'msDS-LockoutDuration': hour, 'msDS-PSOAppliesTo': user('strict'),
})

core = group('core', [carol])
backend = group('backend', [bob, core])
dev = group('dev', [alice, backend])
group('all', [dev])
group('dev', [bob], ou='Other')
group('dist', [alice], kind='2')  # of distribution: in no token
loopa = group('loopa', [dave])
loopb = group('loopb', [loopa])
sam.modify(ldb.Message.from_dict(sam, {'dn': loopa, 'member': [loopb]}, ldb.FLAG_MOD_ADD))
group('comma', [comma])
primary = group('primary', [dave])
sid = sam.search(primary, scope=ldb.SCOPE_BASE, attrs=['objectSid'])[0]['objectSid'][0]
modify(dave, primaryGroupID=str(struct.unpack('<I', sid[-4:])[0]))
sam.transaction_commit()

# A password of 2010, where they last ten years. It may be set only past the
# module that keeps passwords.
modify(base, maxPwdAge=str(-3650 * 86400 * 10**7))
modify(expired, controls=['local_oid:%s:0' % dsdb.DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID], pwdLastSet=filetime(1262304000))
