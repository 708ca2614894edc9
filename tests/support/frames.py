"""Frames as pandas pickles them, and pickles that would run something: bytes, so that pandas is not needed.

Each is `pickle.dumps` of the same frame, compressed: pandas 2.2 at protocol 4 and 2, pandas 3.1 at protocol 5.
"""

from __future__ import annotations

import base64
import zlib

__all__ = ["FRAMES"]

_PANDAS_2_PROTOCOL_4 = (
    "c-n<j%}*0S6z`T@pkN^QiHRY^3-!_jy>KwuM2rSE)_@liQ#P~Pp}VkOnVGeMkYHjFlDY9b=)sd`&-f>J_T){^Uic66&2$@EsBxOk"
    "do%myz4!agyti+@duo;RkTV%cnuOQ<l+oG-BQXV8xlaUnp!H+8^&0k|Dor<TF_3fp=3yczOGw0PF-b^^G7j>>y(sm!9(UJxyeh92"
    "N8Bj%_}?=ir`<fsLVqiwuBQ&6wY-w#akkxcALo$>31eg%-MWnWX~G4|eW463Z3uD<eQT3ra7rCmHavI>YfyCz{Fw(3OiQaNwlf7q"
    "mc2zdI_!QQk;X36>-9&!ap=h@3Gj}VO`~KOfT|q#@(@!<FjtF5p|5;66V9Y#C>Ksy&B0_a70js6!KGecQwN@v<&CBOaCe7>+wWe)"
    "sa+ZvKkVWAr}kO-;k_DP3i;K(qsO;m{oQ_b`SZh{J8udJ_Q_o5*Xqf~V*SZhP={dXXar#&f}l1m|M`(3GqaGRg&ZrS^8atHx|g(s"
    "evHDtT*$M2b)Gk!3f{nf__uoeKk3i@#$fig%D#c`(<02TEkak`200pgS%w?Is+@Sfu)^m<VJ|d58u;3b9sIXJj-V|B&!nkrm11CR"
    "7#!--5csu~sX1*Y5UdC5bSS}AN5ii6F7_<^qCiXI=V%n5(w-fx#3p@7dCemn>vzIUXxm*;d-!65O=<OXUCB+XZaAONBrfWjkqReq"
    "hE*9hk&TR{v4T^fFG%Djswo7GU|n8Bkh^i(q!E@T&#*Qz@|4;XsX$9V<#=ieNf_9eO&RggclV@7U6$s8qJsP-SfS|_D88hrBh~W*"
    "b;pssJ`61*NlU?9Q?d_YuwTc56@&@w3DV>u&A>60LQyfaPpT&DYS<bOo1&!G{M?udqB&})M<E2ZwLK)l-H1p_tJg>rrETsu^9;KJ"
    "!So~IQEX|4JojpU0N6(AG5"
)
_PANDAS_3_PROTOCOL_5 = (
    "c-pO1O-~a+81A-PphY2mp@{^!7)xTBpcfA&8-Yl4V~rm-gOl0qw6p1cWp`F6Lc~N6lZhN0N%Y{!GiUq-#<M4HdiJ6>Z~D%3OSgyz"
    "6DDcj*_rq2d1m(6wc_j1!JHa=AjEzh$AXvUFvHg)>=E%wOg$B=qQZ6LH6y_%IzCl9h)C7(8Hs%C##ImdxJe?2Ju>44cI#H>8Nw@k"
    "EDb@fW5vA~!ADWzhmPHH39@7mc=Ho|&Nzy28$8Dm3foIP_uAYwxif?97OBgyqiI+-VE7)39KWf&VE^X1fuDNqxwtE6uDdtK+M&b;"
    "u-l9VzL<aVt3$*F`0+76@xpc$DWG2BGDqbGfG8q%;KwXVY$oH2%2V(`=pe0U=GMimW(irbVrr(oF6cNf*1IM1x37p7o1NVP*H%QW"
    "R=fEdhWaxNCaf0=KwS|>c6C~G>?LT`v%(M-=tTl98^Yp4R^mW!K431!u45Bb9ZG64yO~#*hv^7Cmf_$O9qR*2&(aCmGM&seTv08Q"
    "A6&Q*Pdd!FupqbwFtug)EsC@OdKtX)hgPisKn1<ebqN$Ey()RL&|ih0$es|)N#xjY@~9C7o|QBjo$I%~mdlPGM&D!Zt8wu94`aW5"
    "`$morsr_VJR^xN}{Ka^Da%cYA^0U+mV|QZx`<>l)>GOL-(DOXs=sWkT`_4TFXieSJH-O<;!6eLwmF>y2r9x`;)DEOJeSLGPfRiae"
    "?Ss+-*9~?!r=@`)XmRhw;Tp@_i=sJjc=w_iGQkVMqA%zc-Rcz?GE4i4WEj&@oBs!cg1WNGM#>1JE1BiL)9HKZG)<9gO=n1+I)LQ<"
    "q-AqBo0JKO=uE$m*2xlys}_!l;AP~KMRY^1!3_q*Dt6~ei0dHE;=j2Z-s7?qV=n{|b?Q?4;AN52mdGRQB40{AeMz_YaUguf3+luL"
    "xr;;4J7{b~F0z1uryax)H3A3Hw{RwiunoC8kt{$_kT3!hxF|m8UeM}Z5U#6YwM4bM11QUPvEL*asPtnEM2+EyfuwOgW<e-ST}}v0"
    "G!;pdSnCLs6+lR88tS{nOUNS(E3Ou#fHDSOr&U0V8ZK_C>1ph`!D5W+NeIe`p-&fE1inn0abi{f0NfUf+W"
)
_PANDAS_2_PROTOCOL_2 = (
    "c-nPUS$7mg6rM>YfpioVQBV})n!#l>#3d>^iU@`_1C$G`Ft*h_mFYIUeO)z#1cpVKEbiM2K6vyTpY$9LkN7(C!?dcpCn1ScpVRkN"
    ")m^`P`}XAlH=$93@`@X$tTLO@kQs-mphq-^!u~5LwlPq)N`*qf4x1?kH)!~gU};1HUI}SLn=IwVp&)kWX0n}uQn@d02foAC6%4x-"
    "CB8csFxycY28P_I6($Rr;jk45pQb5YFzl4Mal}R1a)p86Ov;cp^)0rUg$}m6wi`E?%MBJO#=wYGlp#AXtYJw5D*R{yqf5Ar;Pz$g"
    "Ah@G!7Ufe~!kxLvhFD0X=3Ul+(wxA~)s<!3O|YwM4r*%`a8IpPJNB<!`ehab?sZnZ5e-kVP%L7%Cw=T8xKH4I$F*&z<;z4O+ctRM"
    "yVCkz(=bQP;xZl}c+ebJ#y*0FydiJc(}|3EGP;Ke9#PSiRCJGeSwOQ>cuWQKIKdPBfDU4OOF(5E(4U3=>RqoEHmu%n)mz<MuWn_!"
    "zjUvyJ^yUj_ExKtdi8$Vcz&&VepmPJqrKl3yI0rQpR3&)`?{UpUnjday1%ZU|53$$1>2JZPYFEj^s#tGVNoG?R%6k@b2$?J6ebiB"
    "2M8u565dt}p4S+RN!h_XwNg%pbGj|3ctLr7k>DkPDM!`gWrA1M>+!0J;UK|lYu)m?H`zB{%#94>bh9&5mGL(S-V`|GczeweS$tXg"
    "w+Id^S8o#>S$B0*xq63STDclhu8!piAD@D$5`LFpMkTzd3#$S(XSI&wWot-E)6}g@;KUk#04Mb~5IRXBFNk--GUWF3_%t8$MRmN6"
    "_jEHY;C)RO@qwoE_|O{6Y~Yl4O82<30ZVR_K#Gqv<@mU!8G+MUqnQYt(Of(qq3+3t34F3vSX*WKDFM})cHm@?mTzjs&Cm|zbbB9K"
    "S3%n#kcMY<-I@fRfM3UF<xL~1!Ok&WaVTeo9kF?PTAdh}yR}#@5wsCzqpu-nBBFl$v5G$-fQo;#gVdXm@bj`YqR^mWB8QsafY7if"
    "X&g#CTKbZmrGXvE*^0B?8Lw{b%+R_J%9$0&LB|t0=@{m%9r=Zbh176kE^tmCN<?oyT(I`2!<4$xXJ$pjb{e+?lMEJhT_T*<eH72("
    "g2b!s=$v#I7i+C0Tq3ya{XZNjjhf6L>YamfrH#+a-o={kFD_^*@P%2>7P*KMTs2Gih9&5jMQMMDV3{ppg<v)Nk;p-dFEt<vSpD0<"
    "S9))UOi+#X*L8f8^{@~r$G2^Kr}4CB1KQ;HzKtKO-Re3B;(2a2T8SL6RHhwJhXouzuJD#q`41~+A`}"
)

FRAMES = {
    name: zlib.decompress(base64.b85decode(text))
    for name, text in (
        ("pandas 2, protocol 4", _PANDAS_2_PROTOCOL_4),
        ("pandas 3, protocol 5", _PANDAS_3_PROTOCOL_5),
        ("pandas 2, protocol 2", _PANDAS_2_PROTOCOL_2),
    )
}
