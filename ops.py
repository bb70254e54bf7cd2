import sys; sys.path.insert(0,'/work/wt/eager/benchmarks')
import time, collections
from peers.cases import CASES
from peers import of_chainrule as peer
name=sys.argv[1]
case=next(c for c in CASES if c.name==name)
c=peer.Eager(case); c.reset()
for _ in range(5): c.step()
W=[]
for _ in range(12):
    w=time.perf_counter(); c.step(); W.append(time.perf_counter()-w)
W.sort(); print('wall med %.1f min %.1f'%(W[6]*1e3,W[0]*1e3))
# attribute task time to the caller chain's rule
from chainrule.kernels.native import tasks
acc=collections.defaultdict(lambda:[0.0,0])
def who():
    f=sys._getframe(2); names=[]
    while f is not None:
        q=f.f_code.co_qualname if hasattr(f.f_code,'co_qualname') else f.f_code.co_name
        fn=f.f_code.co_filename
        if '/rules/' in fn or '/optim/' in fn or '/nn/' in fn or 'reverse.py' in fn or 'core/' in fn:
            return fn.split('chainrule/')[-1]+':'+q
        f=f.f_back
    return '?'
pc=time.perf_counter
def wrap(f):
    def g(*a,**k):
        t=pc(); r=f(*a,**k); d=pc()-t
        e=acc[who()]; e[0]+=d; e[1]+=1; return r
    return g
orig=tasks.Call.__call__
tasks.Call.__call__=wrap(orig)
for n in ('run_once','at_once'):
    pass
import chainrule.kernels as K, pkgutil, importlib
mods=[m for k,m in list(sys.modules.items()) if k.startswith('chainrule') and m]
for n in ('at_once','each_at_once','run_once'):
    o=getattr(tasks,n); w=wrap(o)
    for m in mods:
        if getattr(m,n,None) is o: setattr(m,n,w)
N=10
c.step(); acc.clear()
t=pc()
for _ in range(N): c.step()
T=(pc()-t)/N
tot=sum(e[0] for e in acc.values())/N
print('step %.1f native %.1f python %.1f'%(T*1e3,tot*1e3,(T-tot)*1e3))
for k,e in sorted(acc.items(),key=lambda z:-z[1][0]): print('%-70s %7.2f ms %5d'%(k,e[0]/N*1e3,e[1]/N))
