# Adds a user in many groups to a domain of Samba, for tests of this package. What is
# to be added comes as LDIF, in one transaction.
# Usage: samba_crowd.py SMB.CONF SAM.LDB LDIF PASSWORD
import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

conf, path, ldif, password = sys.argv[1:]
lp = LoadParm()
lp.load(conf)
sam = SamDB(url=path, session_info=system_session(), lp=lp)
sam.transaction_start()
with open(ldif) as f:
    sam.add_ldif(f.read())
sam.setpassword('(sAMAccountName=crowd)', password)
sam.enable_account('(sAMAccountName=crowd)')
sam.transaction_commit()
