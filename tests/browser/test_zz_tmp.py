from .test_widgets import *
@pytest.mark.parametrize("name", ["temperature", "loss"])
def test_metrics(shown, name):
    pg = shown(name)
    c=pg.context.new_cdp_session(pg); c.send("Performance.enable",{"timeDomain":"threadTicks"})
    m=lambda:{x["name"]:x["value"] for x in c.send("Performance.getMetrics")["metrics"]}
    for label, off in (("with kernel", ""), ("without save", "1")):
        if off:
            pg.evaluate("()=>{const k=window.jupyterapp.shell.currentWidget.sessionContext.session.kernel; }")
        pg.focus(f".sl-{name} .sl-t"); pg.keyboard.press("Home"); pg.wait_for_timeout(300)
        a=m()
        for i in range(100): pg.keyboard.press("ArrowRight"); pg.wait_for_timeout(20)
        z=m(); print(name,label,{k:round(1000*(z[k]-a[k])/100,2) for k in ("TaskDuration","LayoutDuration","RecalcStyleDuration","ScriptDuration")}, {k:(z[k]-a[k])/100 for k in ("LayoutCount","RecalcStyleCount")}, pg.evaluate("document.querySelectorAll('*').length"))
    c.send("Profiler.enable"); c.send("Profiler.start")
    pg.keyboard.press("Home")
    for i in range(100): pg.keyboard.press("ArrowRight"); pg.wait_for_timeout(20)
    p=c.send("Profiler.stop")["profile"]
    from collections import Counter
    self_=Counter(); dt=p["timeDeltas"]; nodes={n["id"]:n for n in p["nodes"]}
    for s,d in zip(p["samples"],dt): 
        f=nodes[s]["callFrame"]; self_[f["functionName"]+" "+f["url"][-40:]+":"+str(f["lineNumber"])]+=d/1000
    print([ (k,round(v)) for k,v in self_.most_common(14)])
