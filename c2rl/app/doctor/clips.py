"""Tiny clips in the codecs that phones, browsers and corpora use: made by a program, 4 frames each.

Drawn: left half red, right half blue, above them a bar that gets brighter. Encoded by PyAV with
libx264, libx265, libvpx, libvpx-vp9, libsvtav1 and FFmpeg's own mpeg4, which doctor cannot ask for:
what decodes everything need not encode anything.
"""

import base64
import zlib

NUM_FRAMES, WIDTH, HEIGHT = 4, 64, 48
RED, BLUE = (200, 40, 40), (40, 40, 200)
BAR = 8
"""Rows of the bar, at the top."""

# zlib, then base 85
_PACKED = {
    "h264.mp4": (
        "c-oCrZ)hAv6yHl?IEzBT6cr*)G)l0!yWPFZ8Be$LjG+frv`9)7=`uGvd%N8JyV<$R-Qj-"
        "){bv23(X>hwELi%fSSqH4h+><Fpon6jP!%bPXr=lg*sJH8O=8w)#bIaOdo#cHn>X*xtRzXu<gLICeOHotBq5=z"
        "xIq**$SIN}B~3=DB=z3n8khry^k32K>Src@IC1WD>DbGoU!l`C|9rlw=5r{8h|efe@?)Tu(lC{|?}5o3sT?Zqo"
        "`5xj5?Gk<gO)>0j#OFBrc_xKXp8fpkjYF>Pp2EUL45~%X`fXxf;Vk(*8z+laNGC70wTDKiKZY%O)ZNIT6TO=)s"
        "%u<kP-H<(+a63H?sw~sVG_GQq7`G6xPe2-"
        "Hw8=1+Fma%+Qpy3{Eg0*KSfn7mNyc=nQ)mswsIyEatmd2Ui7gMjgivK^t$58-#;GYOW?j2-s-"
        "*9@SK3R8f$LL#_v5)eZz=g`gJbzG;S(Ybh0Ri-CtAa(usvEim-"
        ";xzMo*U7wJV$D%!m?P4zCusu$hg8>BdWv9+?ODDb?U=B8c6mf=a4=4c0u)vrMyHrq3Q@djEKvPkbwqRLP$K+L2"
        "cWn<$6cXxDQs-JuMiGI?3ZtO~?u_VvMJ(1C(Fik<TZYt#$iUFlY+6P&5sxOP^PmQTIFh)j<?jF`<TTK7$POUSP"
        "*W%aaN!!1P!vRZ60V&>pMUnsC;ph~zF!y^dGp$-"
        "#C+xY+Ql=S$F9a_cRkoMv#{m0nHPq3j(<IO*C#voo_KNJR&W|F&fdBCxz9IUb7S|?VyE-YvBXnvjQ_Ij)Y#I|N"
        "1xgMN)k`L^yNo@+ghBxKWQxC8@fxC&z|lsJl;Nd<gNDL#cdC_tM8pUI&}8clbyFm&VPFRi(nDpw-"
        "#sF^4*&+j4tfBw{Kr^qWkNi>dDS`KfOM`=iTiO&F`JLaIXFPqydkl$MyXNcsOpu0z2M%zlUK?N=V{cZ;8L7Hrm"
        "^z|7<<*?Sc|jL4Sl-qdj~7g>CL1p8scGG02fQObs4_9HdUjV;*zszKKQGurVmeH8!4I75@=w>chxLS%$;bR>Wh"
        "EBX^6(U&5Z@P=QHsxH~2&0}VGKjfXjGtgH<ha6w~1T~%ieTG11^ke40M4~IN7VweNs4|kbVh=a>g31sQAh>h*K"
        "ZdaTWSSJ#Ow5j`zw50;_@R8(iNR$MI{^GayEGDFW>&Fj1zG>mo^0M$7fS0qH(EW$jxI!K!du`{wsLp_eGsNdbA"
        "A~uwVXkjg4#QeI7Ng)f0CEI+2KsF)oWzg$i*jpqgNs6rxipfZ4aJKFg=RPioOl9~Hr$Lq0gjoBp8"
    ),
    "hevc.mov": (
        "c-muNU=T?wsVpcgQBYuDU}AvK3>@W|DXBnuNp4DF36R#)U|cWT@SBbOpYCh#`qT`EzYoK+?1HZ=1uY0L-"
        "{&zq@=>zbv^up}r}iiHt(HFk)FH>jc!9G{;Fz^ww}*)uhko)3{mI((mRtM`F7qjIH2_tp096S7zv9ehd2NBj|I"
        "_>*-bh!qN5{-"
        "J;<pOze<rV#v$*>&$Rrt{I*Ivz&n)0){$}~_Kyc5=$UPM~3++rlDg=o$FfhyJ=I56I)#c=tWu!2m0Ol7!VgUmq"
        "0|+4iBdRKNz5@eZzyw4qONtV+f$W%)Y_OfoSWH`hp_3SUL4*OAtCE^hQVjBcYEE$pl8yxky-bR^DVd2thC*%%y"
        "5EgJ(a2E$AI#CsNXaPzF>*6<ipn5y3kN)5K!JRZ#JrT8RG=cpGr5_0X+Uw2vRtsC$j;P(8I%GvsI(|Y0ofpKm&"
        "B4pxH$|eDG+mHQi@X3kUYQx)dz}}gyNE<93cBfaY=CslA044sbz-"
        "9!Q|%V8vqV_5Ox3tkq40Jfg@lsfy94MKon(^B|9@RCIFcez`}AL82<eI@q>YZpIHHDii86r599y;AO*}I70e(c"
        "H>qKQB2ZGziIEXaW`RPpSftjIQ_mV2Kzty<)1m}a%I3m&u=qkJ$ll@-"
        "a3sQ9$pY~Mg9y;S$l@R@0~AX}6JvqWDnPj^B>%8LV^|4@H9!dfVrFtal71BcQ5mE|"
    ),
    "vp8.webm": (
        "c-"
        "oV4y}x+AQ(GgW({~{L)X3uWxsk)EsiizMDc7mJk;$pGkx3%BA)S!{1ep8;eP@^K^4;AXyt+lyb7flan#P3?o><"
        "7bY#{HL@9rKTPblPYdhnViMotJ<CU`ecvWdy!4a6LVNCsK~kgFDGUEkQu@8say(BhL=mKN>^rd&EZ98w^PK#tw"
        "F4(b-u>y3=XM?0YU8Rs-IC~ck7T$-"
        "2C(a6x&8WtZGVA0&jsQkFOg()eD;X&JmMu%OE1|T19EiT@ae4slSp*j7;Lf6F|E}=n=A)fwzF71;I46MLN&(O>"
        "O0vP0-x0O1)f8NNj_<JJ*LxTY;!(2u!2L=NM26v9u){fSe4kjk1+i#fz>i@sJ`-{1a`Sm}s%tNKSW=-"
        "Cb^0Qv{^8$u{{}N>X|8MiUcjoWX`mc95{_PcJWJ!{a{{Nvc$ofCK$j|6SRo=bdn&baJtXWe2PyCeZ|DMPxOc#2"
        "rc5YRxZD3fuw2?uBp^%AzRbUN+1aFU5nC<Kd?DZBLon0ILU9SAM<hsiFUqEF`8W{o@0-"
        "?$nWK7t<FbE$!_`gu?!N2p4|K9$$W&gbbtf~S{m3YqlC;p!%AejY90TXxkZ*FAR-UUo)ADbARKQuA}0Co7<e*"
    ),
    "vp9.webm": (
        "c-"
        "oV4y}x+AQ(GgW({~{L)X3uWxsk)EsiizMDc7mJk;$pGkx3%BA)S!{1ejz6eP@^K^4;AXyt+lyb7flan#P3?o><"
        "7bY#{HL@9rKTPblPYdhnViMotJ<CU`ecvWbcP4a6LVNCsK~kgFDGUEkQu@8say(BhL=mKN>^rd&EZ98w^PK#tw"
        "F4(b-u>y3=XM?0YU8Rs-IC~ck7T$-"
        "2C(a6x&8WtZGVA<TrsQkFOg()eD;X&JmMu%OE1|T19EiT@ae4slSp*j7;Lf6F|E}=n=A)fwzF71;I46MLN&(O>"
        "O0vP0-"
        "x0O2Vd)~;f_;MoyLqn5ivl9dJ2c~Zf7Ai6lUJMKd2@DLiar6KG|6F$e|NoYS?~DIywI?0BRsVm9z)Y9R$J9!vM"
        "q2m>n@sbPw3hfA^8f#0ftlX_>kew~nHYK@VDaKc1`UQb28T&=7y=j=m<xc0J+uEm>-"
        "_&WAKb4ln7mBX<XXexMU6m7h$6oSU`6#d64sm8f|nNFjAmhovOmDEcy=R01(HDuKs9O7UXyD1Y*ssfB6Q;J{>_"
        "aH+q-}X=VKG2^M^)e0NO6Q!~"
    ),
    "av1.mkv": (
        "c-oV4y}x*|Q(GgW({~{L)X3uWxsk)EsUtVBq$s~QJJG2fDAd}>BoW+@&d2})OveO$XO|q<-=gzv&1v7=-"
        "NCC{L_Jrg1+Qsb2;qr^tjh-S&iL-"
        "`0rG@G4yOmNX=1d7aAksb10|c7R=t6k#t_UveE@RLvi&W$i)LGEUEkQu@8say(BhL=mKN>^rd&EZ98w@kL5_X3"
        "zh&owmM80=E{eY1$XI-|18NrIoJIzvt#g`7^HMq*8QNOI;vK^bn;RLGA2+u!B}Fkj=-"
        "SZeu&dD^WK$zc=(|P+n7^197?KxFXk_4F;Nk*t*MDz_XW#&Z#_s(sPc4Gq78h?yKG2<vuqge+Lf6F|E}=n=A)f"
        "wzF71;I46MLN&(O>O0vP0-x0O0-"
        "?r&+ZV0iJokzw(ZMh1okm<7G@3LHj3A`GevSOgRr7+7v*88qpZPx#ALWd19#^xrM%(Cc|`^!pz2o|NcK{VUx3D"
        "fVief2hJ`lWms^bS+Ol+>m>MYrDkGGo7s;ymYP@REaF&iT;ti&w26BMg|QAqXZ2m29-"
        "&kw*Cx`OdP`R4H(v&?^xd*QE!$jG^f;0<7v%XjvtMxzMQd|rkr~HQ=J#+G~6?4C{oX!Ayja+QeNijXZ7gs<?g#"
        "T>#6Ii>|)pvxWeoQe?vmAI@g)kOZ!&{zA+LsU}E7^VW|25^o|`f1H<$Ki`yF+0vMziI~H$gWT;>;(lcNK1}sEH"
        "4FkhQvAG4y%`eLuJhFdWC2`Mh)oQy_*JAcEO=5a?TYTr{2cXn8eSb?{&$^b~{hJ#Zws!$j`Nt;4>JN>a0OXSb7"
        "6"
    ),
    "mpeg4.mp4": (
        "c-muNV30{GsVvAW&d+6FU}6B#Kx~v-"
        "U}DI?z`&7Kl$y%Gz}S+Tl2`(yH!}#Z1F3BS2|fuM6PI>2H&{rBDm?fgq0DAbA^*_v;R03muK#=Ftr)JE-"
        "9C6ghKFlHK?RTCgAewHnh!g8@r(Yiuq$C)liNANy!pU?E`DA{4V&=44}M-?YucdI7^KH><90rK<3ABODW-"
        "sm^}i2(Uch@Wgll4f8w10FiLJ|S__3MfZvWUhJ0YJjS~~YP1H%EVqKw-DJ~W9XB*-"
        ")WH>lzNbNoQX6p1}@?EeB1bfUDlE$rC;CH#>8+28O{!?41J|IdO05nDpU3euS^5UM_~u+EV@aE?u%z48AP32w2"
        "jJ&gPe42$F#7!JvSEC@_k1hfFCLQhVpIUvEA{aAyF&VzGog#{m`NHsG_*qJcu95`Xe!nELr0N3W`2M${NjSQ=S"
        "Cd>nxFb{0PhePLpVjVy=IuCvbZ~)aPVF)lVECyP47>JqWbMy1dfN_$OTb7Z+fC89b0Eq<*j0_-"
        "z0F0=r(D@DwcmWd-"
        "<&_jAW&_zVCD~v*nX#C*07EA+_JRllFjpltrKA{0%cSNMmmuj_fY8hMEH@=H5y();O+oj&5h$55gdPENbTd+Ni"
        "eNHjnJKBrD#L*Me2>Jul$=zM8pesanR#hIhDcd1*id9=s-"
        "!^VWKxP!(~um+Q(Bax0AVu*7MCRD0NE#tONvvF)a(Rio-!Ok0rI#3g9niIz^MWqNc{f~B>hv1Q;NZn-"
        "O$ir2h_#_qzx1V!AiU=KqM<r1e7>8fLyn=Qy5}6qXNT`-"
        "VTPdOe}07&TK#>j7%U;CzTXILmQ$QWKnSmI3{4uVgV-tpjw~@k;Oq+1}K({CdLA#Re*9;NFD%*uK;3D3_1a^A;"
        "iq&d?fukKx|u@QUX$AnwtuyK|m2XMuDlID6ya*2RU>&GJ(kk09Ro1q5"
    ),
}

NAMES = tuple(_PACKED)
"""Files: codec and container."""


def content(name: str) -> bytes:
    """Give a clip.

    Args:
        name: One of `NAMES`.

    Returns:
        The bytes of the file.
    """
    return zlib.decompress(base64.b85decode(_PACKED[name]))
