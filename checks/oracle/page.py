def text(a,b): return ""
def verdicts(a): return a
