# Fills a new domain of Samba with the users and groups of docs/ldap.
# Usage: domain.py SMB.CONF SAM.LDB BASE USER-PASSWORD SERVICE-PASSWORD
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

conf, path, base, password, service_password = sys.argv[1:]
lp = LoadParm()
lp.load(conf)
sam = SamDB(url=path, session_info=system_session(), lp=lp)

# An account is locked after five failures within half an hour.
half_an_hour = str(-30 * 60 * 10**7)
policy = ldb.Message(ldb.Dn(sam, base))
for name, value in {'lockoutThreshold': '5', 'lockoutDuration': half_an_hour, 'lockOutObservationWindow': half_an_hour}.items():
    policy[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
sam.modify(policy)

sam.create_ou('OU=Service,' + base)
sam.newuser('svc-registry', service_password, userou='OU=Service')
sam.newuser('alice', password)
sam.newuser('bob', password)
sam.newgroup('team')
sam.newgroup('pusher')
sam.add_remove_group_members('team', ['alice'])
sam.add_remove_group_members('pusher', ['team'])
